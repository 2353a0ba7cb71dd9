/**
 * For weights that are zero and have to stay so: marks are bytes, 1 where a weight is ±0.
 * @module
 */

/** The bits of the smallest number above +0.0. */
const ABOVE_ZERO: i32 = 1;

/** All ones in the lanes of four f32 that are ±0. */
function zeroLanes(values: usize): v128 {
  return f32x4.eq(v128.load(values), f32x4.splat(0));
}

/** `marks[i] = 1` where `values[i]` is ±0, 0 elsewhere. */
export function markZeros(values: usize, n: usize, marks: usize): void {
  const one = i8x16.splat(1);
  let i: usize = 0;
  for (; i + 16 <= n; i += 16) {
    const p = values + (i << 2);
    const zero = i8x16.narrow_i16x8_s(
      i16x8.narrow_i32x4_s(zeroLanes(p), zeroLanes(p + 16)),
      i16x8.narrow_i32x4_s(zeroLanes(p + 32), zeroLanes(p + 48)),
    );
    v128.store(marks + i, v128.and(zero, one));
  }
  for (; i < n; i++) store<u8>(marks + i, <u8>(load<f32>(values + (i << 2)) == 0));
}

/** `scores[i] = +0.0` where marked; elsewhere at least the smallest number above it. Scores are non-negative. */
export function rankMarkedFirst(scores: usize, marks: usize, n: usize): void {
  const least = i32x4.splat(ABOVE_ZERO);
  const zero = i32x4.splat(0);
  let i: usize = 0;
  for (; i + 4 <= n; i += 4) {
    const marked = i16x8.extend_low_i8x16_u(v128.load32_zero(marks + i));
    const keep = i32x4.eq(i32x4.extend_low_i16x8_u(marked), zero);
    const p = scores + (i << 2);
    v128.store(p, v128.and(i32x4.max_s(v128.load(p), least), keep));
  }
  for (; i < n; i++) {
    const p = scores + (i << 2);
    store<i32>(p, load<u8>(marks + i) ? 0 : max<i32>(load<i32>(p), ABOVE_ZERO));
  }
}

/** `mask[i] = 1` where marked. */
export function addMarks(mask: usize, marks: usize, n: usize): void {
  let i: usize = 0;
  for (; i + 16 <= n; i += 16) v128.store(mask + i, v128.or(v128.load(mask + i), v128.load(marks + i)));
  for (; i < n; i++) store<u8>(mask + i, load<u8>(mask + i) | load<u8>(marks + i));
}
