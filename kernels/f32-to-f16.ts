/** @module */
import { findNonFinite16 } from './non-finite';

const EXPONENT: u32 = 0x7c00;

/** Four f32 bit patterns to f16 bits in the low halves: nearest, ties to even; a NaN stays one (quiet). */
function encode(bits: v128): v128 {
  const sign = v128.and(i32x4.shr_u(bits, 16), i32x4.splat(0x8000));
  const magnitude = v128.and(bits, i32x4.splat(0x7fffffff));
  const odd = v128.and(i32x4.shr_u(magnitude, 13), i32x4.splat(1));
  // Exponent bias 127 → 15, and half a unit less one in the last place kept; `odd` breaks the ties to even.
  const rebias = i32x4.splat(0xfff - (112 << 23));
  let half = i32x4.shr_u(i32x4.add(i32x4.add(magnitude, rebias), odd), 13);
  // 0.5 has steps of 2⁻²⁴, exactly f16's subnormal step: adding it makes the hardware round.
  const step = f32x4.splat(0.5);
  const subnormal = i32x4.sub(f32x4.add(magnitude, step), step);
  half = v128.bitselect(subnormal, half, i32x4.lt_s(magnitude, i32x4.splat(113 << 23)));
  // From 65520 = 65504 + half a step on, the nearest is Inf.
  half = v128.bitselect(i32x4.splat(EXPONENT), half, i32x4.ge_s(magnitude, i32x4.splat(0x477ff000)));
  const payload = v128.and(i32x4.shr_u(magnitude, 13), i32x4.splat(0x3ff));
  const nan = v128.or(payload, i32x4.splat(0x7e00));
  half = v128.bitselect(nan, half, i32x4.gt_s(magnitude, i32x4.splat(0x7f800000)));
  return v128.or(half, sign);
}

/**
 * `target[i] = source[i]` from f32 to f16, to nearest, ties to even, with subnormals. Returns the index of the
 * first result that is Inf or NaN (a finite value may overflow to Inf), or -1.
 */
export function f32ToF16(source: usize, target: usize, n: usize): i32 {
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
