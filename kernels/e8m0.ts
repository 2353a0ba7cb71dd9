/**
 * E8M0, the scales of the OCP Microscaling formats (specification 1.0, 2023): 2^(code − 127), and NaN for 255.
 * @module
 */

/** As f32, exactly; 2⁻¹²⁷ is subnormal there. */
export function e8m0ToF32(code: u32): f32 {
  if (code == 255) return NaN;
  return reinterpret<f32>(code == 0 ? 0x00400000 : code << 23);
}
