/** @module */
import { findNonFinite16 } from './non-finite';

const EXPONENT: u32 = 0x7f80;

/** `target[i] = source[i]` from bf16 to f32 (exact). Returns the index of the first Inf or NaN, or -1. */
export function bf16ToF32(source: usize, target: usize, n: usize): i32 {
  const zero = i16x8.splat(0);
  const exponent = i16x8.splat(<i16>EXPONENT);
  let bad = zero;
  let i: usize = 0;
  for (; i + 16 <= n; i += 16) {
    const from = source + (i << 1);
    const to = target + (i << 2);
    const a = v128.load(from);
    const b = v128.load(from, 16);
    bad = v128.or(bad, i16x8.eq(v128.and(a, exponent), exponent));
    bad = v128.or(bad, i16x8.eq(v128.and(b, exponent), exponent));
    v128.store(to, v128.shuffle<i16>(zero, a, 0, 8, 1, 9, 2, 10, 3, 11));
    v128.store(to, v128.shuffle<i16>(zero, a, 4, 12, 5, 13, 6, 14, 7, 15), 16);
    v128.store(to, v128.shuffle<i16>(zero, b, 0, 8, 1, 9, 2, 10, 3, 11), 32);
    v128.store(to, v128.shuffle<i16>(zero, b, 4, 12, 5, 13, 6, 14, 7, 15), 48);
  }
  const tail = i;
  for (; i < n; i++) store<u32>(target + (i << 2), (<u32>load<u16>(source + (i << 1))) << 16);
  if (v128.any_true(bad)) return findNonFinite16(source, n, EXPONENT);
  const found = findNonFinite16(source + (tail << 1), n - tail, EXPONENT);
  return found < 0 ? -1 : found + <i32>tail;
}
