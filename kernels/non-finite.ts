/**
 * Finding the first Inf or NaN once a whole-array test has said that there is one.
 * @module
 */

/** Index of the first of `n` 16-bit floats whose exponent bits (`exponent`) are all ones, or -1. */
export function findNonFinite16(values: usize, n: usize, exponent: u32): i32 {
  for (let i: usize = 0; i < n; i++) {
    if ((<u32>load<u16>(values + (i << 1)) & exponent) == exponent) return <i32>i;
  }
  return -1;
}

/** Index of the first of `n` f32 values that is Inf or NaN, or -1. */
export function findNonFinite32(values: usize, n: usize): i32 {
  for (let i: usize = 0; i < n; i++) {
    if ((load<u32>(values + (i << 2)) & 0x7f800000) == 0x7f800000) return <i32>i;
  }
  return -1;
}
