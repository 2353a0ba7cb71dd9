/** @module */

/** How many of `n` f32 values are +0 or −0. */
export function countZeros32(values: usize, n: usize): u32 {
  const magnitude = i32x4.splat(0x7fffffff);
  const zero = i32x4.splat(0);
  let zeros: u32 = 0;
  let i: usize = 0;
  for (; i + 8 <= n; i += 8) {
    const p = values + (i << 2);
    const a = i32x4.eq(v128.and(v128.load(p), magnitude), zero);
    const b = i32x4.eq(v128.and(v128.load(p, 16), magnitude), zero);
    zeros += popcnt(i16x8.bitmask(i16x8.narrow_i32x4_s(a, b)));
  }
  for (; i < n; i++) zeros += u32((load<u32>(values + (i << 2)) & 0x7fffffff) == 0);
  return zeros;
}

/** How many of `n` 16-bit floats are +0 or −0. */
export function countZeros16(values: usize, n: usize): u32 {
  const magnitude = i16x8.splat(0x7fff);
  const zero = i16x8.splat(0);
  let zeros: u32 = 0;
  let i: usize = 0;
  for (; i + 16 <= n; i += 16) {
    const p = values + (i << 1);
    const a = i16x8.eq(v128.and(v128.load(p), magnitude), zero);
    const b = i16x8.eq(v128.and(v128.load(p, 16), magnitude), zero);
    zeros += popcnt(i8x16.bitmask(i8x16.narrow_i16x8_s(a, b)));
  }
  for (; i < n; i++) zeros += u32((load<u16>(values + (i << 1)) & 0x7fff) == 0);
  return zeros;
}
