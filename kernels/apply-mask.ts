/** @module */

/** `weights[i] = +0.0` where `mask[i]` isn't 0, in place, f32. */
export function applyMask(weights: usize, mask: usize, n: usize): void {
  const zero = i8x16.splat(0);
  let i: usize = 0;
  for (; i + 16 <= n; i += 16) {
    const keep = i8x16.eq(v128.load(mask + i), zero);
    const low = i16x8.extend_low_i8x16_s(keep);
    const high = i16x8.extend_high_i8x16_s(keep);
    const p = weights + (i << 2);
    v128.store(p, v128.and(v128.load(p), i32x4.extend_low_i16x8_s(low)));
    v128.store(p, v128.and(v128.load(p, 16), i32x4.extend_high_i16x8_s(low)), 16);
    v128.store(p, v128.and(v128.load(p, 32), i32x4.extend_low_i16x8_s(high)), 32);
    v128.store(p, v128.and(v128.load(p, 48), i32x4.extend_high_i16x8_s(high)), 48);
  }
  for (; i < n; i++) if (load<u8>(mask + i)) store<u32>(weights + (i << 2), 0);
}

/** `applyMask` on bf16 or f16 storage: the bits become 0. */
export function applyMask16(weights: usize, mask: usize, n: usize): void {
  const zero = i8x16.splat(0);
  let i: usize = 0;
  for (; i + 16 <= n; i += 16) {
    const keep = i8x16.eq(v128.load(mask + i), zero);
    const p = weights + (i << 1);
    v128.store(p, v128.and(v128.load(p), i16x8.extend_low_i8x16_s(keep)));
    v128.store(p, v128.and(v128.load(p, 16), i16x8.extend_high_i8x16_s(keep)), 16);
  }
  for (; i < n; i++) if (load<u8>(mask + i)) store<u16>(weights + (i << 1), 0);
}
