/** @module */
import { e8m0ToF32 } from './e8m0';

/** The least magnitude that rounds to more than 6: half a step above, where the tie goes up. */
const TOO_LARGE: f32 = 7;

/** Four f32 over their scale to E2M1 codes in the low bytes: nearest, ties to even. */
function encode(quotients: v128): v128 {
  const magnitude = v128.and(quotients, i32x4.splat(0x7fffffff));
  const odd = v128.and(i32x4.shr_u(magnitude, 22), i32x4.splat(1));
  const rounded = i32x4.shr_u(i32x4.add(i32x4.add(magnitude, i32x4.splat(0x1fffff)), odd), 22);
  const normal = i32x4.sub(rounded, i32x4.splat((127 - 1) << 1));
  // 2²² has steps of 0.5, exactly the subnormal step: adding it makes the hardware round.
  const step = f32x4.splat(4194304);
  const subnormal = i32x4.sub(f32x4.add(magnitude, step), step);
  const code = v128.bitselect(subnormal, normal, i32x4.lt_s(magnitude, i32x4.splat(127 << 23)));
  return v128.or(code, v128.and(i32x4.shr_u(quotients, 28), i32x4.splat(8)));
}

/** 16 f32 to codes, one a byte. */
function encodeBytes(source: usize, scale: v128): v128 {
  const a = i16x8.narrow_i32x4_u(
    encode(f32x4.div(v128.load(source), scale)),
    encode(f32x4.div(v128.load(source, 16), scale)),
  );
  const b = i16x8.narrow_i32x4_u(
    encode(f32x4.div(v128.load(source, 32), scale)),
    encode(f32x4.div(v128.load(source, 48), scale)),
  );
  return i8x16.narrow_i16x8_u(a, b);
}

/** Index of the first of a group that no code stands for, or -1. */
function firstUnfit(source: usize, scale: f32): i32 {
  const factor = f32x4.splat(scale);
  let fits = i32x4.splat(-1);
  for (let at: usize = source; at < source + 128; at += 16) {
    const magnitudes = f32x4.abs(f32x4.div(v128.load(at), factor));
    fits = v128.and(fits, f32x4.lt(magnitudes, f32x4.splat(TOO_LARGE)));
  }
  if (i32x4.all_true(fits)) return -1;
  for (let i: usize = 0; i < 32; i++) {
    if (!(abs(load<f32>(source + (i << 2)) / scale) < TOO_LARGE)) return <i32>i;
  }
  return -1;
}

/**
 * The opposite of `mxfp4ToF32`: values over the scale of their group, to nearest, ties to even. Returns the index of the first
 * that no code stands for, because it is too large or NaN, or -1.
 */
export function f32ToMxfp4(source: usize, scales: usize, codes: usize, groups: usize): i32 {
  for (let group: usize = 0; group < groups; group++) {
    const from = source + (group << 7);
    const scale = e8m0ToF32(load<u8>(scales + group));
    const unfit = firstUnfit(from, scale);
    if (unfit >= 0) return unfit + <i32>(group << 5);
    const factor = f32x4.splat(scale);
    const a = encodeBytes(from, factor);
    const b = encodeBytes(from + 64, factor);
    const even = v128.shuffle<i8>(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const odd = v128.shuffle<i8>(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    v128.store(codes + (group << 4), v128.or(even, i8x16.shl(odd, 4)));
  }
  return -1;
}
