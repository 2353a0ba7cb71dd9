/** @module */

/** Four E4M3 codes, one a lane, to f32. */
function decode(codes: v128): v128 {
  const magnitude = v128.and(codes, i32x4.splat(0x7f));
  const normal = i32x4.add(i32x4.shl(magnitude, 20), i32x4.splat((127 - 7) << 23));
  const subnormal = f32x4.mul(f32x4.convert_i32x4_s(magnitude), f32x4.splat(0.001953125));
  let value = v128.bitselect(subnormal, normal, i32x4.lt_s(magnitude, i32x4.splat(8)));
  value = v128.bitselect(i32x4.splat(0x7fc00000), value, i32x4.eq(magnitude, i32x4.splat(0x7f)));
  return v128.or(value, i32x4.shl(v128.and(codes, i32x4.splat(0x80)), 24));
}

/**
 * `target[i] = codes[i] · scales[⌊(first + i) / width⌋]` for `n` codes of FP8 E4M3 (Micikevicius et al. 2022,
 * arXiv 2209.05433): a sign, 4 bits of exponent with bias 7, 3 bits of mantissa, no infinities, 0x7f and 0xff are NaN.
 */
export function fp8ToF32(
  codes: usize,
  scales: usize,
  target: usize,
  n: usize,
  first: usize,
  width: usize,
): void {
  for (let i: usize = 0; i < n; ) {
    const block = (first + i) / width;
    const end = min(n, (block + 1) * width - first);
    const scale = load<f32>(scales + (block << 2));
    const factor = f32x4.splat(scale);
    for (; i + 16 <= end; i += 16) {
      const bytes = v128.load(codes + i);
      const to = target + (i << 2);
      const low = i16x8.extend_low_i8x16_u(bytes);
      const high = i16x8.extend_high_i8x16_u(bytes);
      v128.store(to, f32x4.mul(decode(i32x4.extend_low_i16x8_u(low)), factor));
      v128.store(to, f32x4.mul(decode(i32x4.extend_high_i16x8_u(low)), factor), 16);
      v128.store(to, f32x4.mul(decode(i32x4.extend_low_i16x8_u(high)), factor), 32);
      v128.store(to, f32x4.mul(decode(i32x4.extend_high_i16x8_u(high)), factor), 48);
    }
    for (; i < end; i++) {
      const value = decode(i32x4.splat(load<u8>(codes + i)));
      store<f32>(target + (i << 2), f32x4.extract_lane(value, 0) * scale);
    }
  }
}
