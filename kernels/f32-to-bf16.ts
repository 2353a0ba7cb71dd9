/** @module */
import { findNonFinite16 } from './non-finite';

const EXPONENT: u32 = 0x7f80;

/** Four f32 bit patterns to bf16 bits in the low halves: nearest, ties to even; a NaN stays one (quiet). */
function encode(bits: v128): v128 {
  const upper = i32x4.shr_u(bits, 16);
  const odd = v128.and(upper, i32x4.splat(1));
  const rounded = i32x4.shr_u(i32x4.add(i32x4.add(bits, i32x4.splat(0x7fff)), odd), 16);
  const isNan = i32x4.gt_s(v128.and(bits, i32x4.splat(0x7fffffff)), i32x4.splat(0x7f800000));
  return v128.bitselect(v128.or(upper, i32x4.splat(0x40)), rounded, isNan);
}

/**
 * `target[i] = source[i]` from f32 to bf16, to nearest, ties to even. Returns the index of the first result
 * that is Inf or NaN (a finite value may overflow to Inf), or -1.
 */
export function f32ToBf16(source: usize, target: usize, n: usize): i32 {
  const exponent = i16x8.splat(<i16>EXPONENT);
  let bad = i16x8.splat(0);
  let i: usize = 0;
  for (; i + 8 <= n; i += 8) {
    const from = source + (i << 2);
    const packed = i16x8.narrow_i32x4_u(encode(v128.load(from)), encode(v128.load(from, 16)));
    bad = v128.or(bad, i16x8.eq(v128.and(packed, exponent), exponent));
    v128.store(target + (i << 1), packed);
  }
  const tail = i;
  for (; i < n; i++) {
    const bits = encode(i32x4.splat(load<i32>(source + (i << 2))));
    store<u16>(target + (i << 1), <u16>i32x4.extract_lane(bits, 0));
  }
  if (v128.any_true(bad)) return findNonFinite16(target, n, EXPONENT);
  const found = findNonFinite16(target + (tail << 1), n - tail, EXPONENT);
  return found < 0 ? -1 : found + <i32>tail;
}

/** Whether all of `n` f32 are what bf16 can hold: their low 16 bits are 0. */
export function isBf16(values: usize, n: usize): bool {
  let bits = i32x4.splat(0);
  let i: usize = 0;
  for (; i + 8 <= n; i += 8) {
    const p = values + (i << 2);
    bits = v128.or(bits, v128.or(v128.load(p), v128.load(p, 16)));
  }
  let rest: u32 = 0;
  for (; i < n; i++) rest |= load<u32>(values + (i << 2));
  return !v128.any_true(v128.and(bits, i32x4.splat(0xffff))) && (rest & 0xffff) == 0;
}
