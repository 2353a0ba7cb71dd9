/** @module */
import { e8m0ToF32 } from './e8m0';

/** The highest byte of each code's f32. */
const HIGHEST = i8x16(
  0,
  0x3f,
  0x3f,
  0x3f,
  0x40,
  0x40,
  0x40,
  0x40,
  -0x80,
  -0x41,
  -0x41,
  -0x41,
  -0x40,
  -0x40,
  -0x40,
  -0x40,
);
/** The one below; the others are 0. */
const SECOND = i8x16(0, 0, -0x80, -0x40, 0, 0x40, -0x80, -0x40, 0, 0, -0x80, -0x40, 0, 0x40, -0x80, -0x40);

/** 16 codes, one a byte, to f32 times a factor. */
function decode(codes: v128, factor: v128, to: usize): void {
  const highest = i8x16.swizzle(HIGHEST, codes);
  const second = i8x16.swizzle(SECOND, codes);
  const zero = i16x8.splat(0);
  const a = v128.shuffle<i8>(second, highest, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const b = v128.shuffle<i8>(second, highest, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  v128.store(to, f32x4.mul(v128.shuffle<i16>(zero, a, 0, 8, 1, 9, 2, 10, 3, 11), factor));
  v128.store(to, f32x4.mul(v128.shuffle<i16>(zero, a, 4, 12, 5, 13, 6, 14, 7, 15), factor), 16);
  v128.store(to, f32x4.mul(v128.shuffle<i16>(zero, b, 0, 8, 1, 9, 2, 10, 3, 11), factor), 32);
  v128.store(to, f32x4.mul(v128.shuffle<i16>(zero, b, 4, 12, 5, 13, 6, 14, 7, 15), factor), 48);
}

/**
 * Groups of MXFP4 (OCP Microscaling Formats 1.0): 32 codes E2M1 in 16 bytes, the first of two in the low half, and one scale
 * E8M0. Magnitudes are 0, 0.5, 1, 1.5, 2, 3, 4 and 6.
 */
export function mxfp4ToF32(codes: usize, scales: usize, target: usize, groups: usize): void {
  const low = i8x16.splat(0x0f);
  for (let group: usize = 0; group < groups; group++) {
    const bytes = v128.load(codes + (group << 4));
    const factor = f32x4.splat(e8m0ToF32(load<u8>(scales + group)));
    const even = v128.and(bytes, low);
    const odd = i8x16.shr_u(bytes, 4);
    const to = target + (group << 7);
    decode(v128.shuffle<i8>(even, odd, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23), factor, to);
    decode(
      v128.shuffle<i8>(even, odd, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31),
      factor,
      to + 64,
    );
  }
}
