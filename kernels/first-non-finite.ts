/** @module */
import { findNonFinite32 } from './non-finite';

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
