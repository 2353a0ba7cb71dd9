/** @module */
import { findNonFinite16, findNonFinite32 } from './non-finite';

/** Index of the first of `n` 16-bit floats whose exponent bits (`exponent`) are all ones, or -1. */
export function firstNonFinite16(values: usize, n: usize, exponent: u32): i32 {
  const ones = i16x8.splat(<i16>exponent);
  let bad = i16x8.splat(0);
  let i: usize = 0;
  for (; i + 32 <= n; i += 32) {
    const p = values + (i << 1);
    bad = v128.or(bad, i16x8.eq(v128.and(v128.load(p), ones), ones));
    bad = v128.or(bad, i16x8.eq(v128.and(v128.load(p, 16), ones), ones));
    bad = v128.or(bad, i16x8.eq(v128.and(v128.load(p, 32), ones), ones));
    bad = v128.or(bad, i16x8.eq(v128.and(v128.load(p, 48), ones), ones));
  }
  if (v128.any_true(bad)) return findNonFinite16(values, n, exponent);
  const found = findNonFinite16(values + (i << 1), n - i, exponent);
  return found < 0 ? -1 : found + <i32>i;
}

/** Index of the first of `n` f32 values that is Inf or NaN, or -1. */
export function firstNonFinite(values: usize, n: usize): i32 {
  const exponent = i32x4.splat(0x7f800000);
  let bad = i32x4.splat(0);
  let i: usize = 0;
  for (; i + 16 <= n; i += 16) {
    const p = values + (i << 2);
    bad = v128.or(bad, i32x4.eq(v128.and(v128.load(p), exponent), exponent));
    bad = v128.or(bad, i32x4.eq(v128.and(v128.load(p, 16), exponent), exponent));
    bad = v128.or(bad, i32x4.eq(v128.and(v128.load(p, 32), exponent), exponent));
    bad = v128.or(bad, i32x4.eq(v128.and(v128.load(p, 48), exponent), exponent));
  }
  if (v128.any_true(bad)) return findNonFinite32(values, n);
  const found = findNonFinite32(values + (i << 2), n - i);
  return found < 0 ? -1 : found + <i32>i;
}
