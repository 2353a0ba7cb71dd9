/** @module */
import { findNonFinite16 } from './non-finite';

const EXPONENT: u32 = 0x7c00;

/** Four f16 bit patterns in the low halves of u32 lanes, to f32 bits. */
function decode(half: v128): v128 {
  const sign = i32x4.shl(v128.and(half, i32x4.splat(0x8000)), 16);
  const magnitude = v128.and(half, i32x4.splat(0x7fff));
  const shifted = i32x4.shl(magnitude, 13);
  const normal = i32x4.add(shifted, i32x4.splat(112 << 23));
  // A subnormal is mantissa · 2⁻²⁴: put the mantissa under the exponent of 2⁻¹⁴, then take 2⁻¹⁴ away.
  const smallest = i32x4.splat(113 << 23);
  const subnormal = f32x4.sub(i32x4.add(shifted, smallest), smallest);
  let bits = v128.bitselect(subnormal, normal, i32x4.lt_s(magnitude, i32x4.splat(0x0400)));
  const special = i32x4.ge_s(magnitude, i32x4.splat(EXPONENT));
  bits = v128.or(bits, v128.and(special, i32x4.splat(0x7f800000)));
  return v128.or(bits, sign);
}

/** `target[i] = source[i]` from f16 to f32 (exact). Returns the index of the first Inf or NaN, or -1. */
export function f16ToF32(source: usize, target: usize, n: usize): i32 {
  const exponent = i16x8.splat(<i16>EXPONENT);
  let bad = i16x8.splat(0);
  let i: usize = 0;
  for (; i + 8 <= n; i += 8) {
    const a = v128.load(source + (i << 1));
    bad = v128.or(bad, i16x8.eq(v128.and(a, exponent), exponent));
    v128.store(target + (i << 2), decode(i32x4.extend_low_i16x8_u(a)));
    v128.store(target + (i << 2), decode(i32x4.extend_high_i16x8_u(a)), 16);
  }
  const tail = i;
  for (; i < n; i++) {
    store<i32>(
      target + (i << 2),
      i32x4.extract_lane(decode(i32x4.splat(<i32>load<u16>(source + (i << 1)))), 0),
    );
  }
  if (v128.any_true(bad)) return findNonFinite16(source, n, EXPONENT);
  const found = findNonFinite16(source + (tail << 1), n - tail, EXPONENT);
  return found < 0 ? -1 : found + <i32>tail;
}
