/**
 * MXFP4: 4-bit codes with a power of two for every 32 of them (OCP Microscaling Formats 1.0, 2023), as gpt-oss is stored.
 * @module
 */
import type { Codec } from './encoded-tensor.js';
import type { Mxfp4Tensor } from './tensor-file.js';

/** Elements that share a scale. */
export const MXFP4_GROUP = 32;
const GROUP_BYTES = MXFP4_GROUP / 2;
/** The least magnitude that rounds to more than the largest code. */
const TOO_LARGE = 7;
const BIAS = 127;
/** 255 is NaN. */
const LARGEST_SCALE = 254;

export const mxfp4Codec: Codec<Mxfp4Tensor> = {
  decode(kernels, { path, start, scales }, { first, n, plain }, read) {
    const group = Math.floor(first / MXFP4_GROUP);
    const groups = Math.ceil((first + n) / MXFP4_GROUP) - group;
    const before = first - group * MXFP4_GROUP;
    const { arena } = kernels;
    arena.borrow(groups * (GROUP_BYTES + 1), (codes) => {
      const factors = codes + groups * GROUP_BYTES;
      const target =
        before === 0 && n === groups * MXFP4_GROUP ? plain : arena.allocate(groups * MXFP4_GROUP * 4);
      read(path, start + group * GROUP_BYTES, kernels.u8(codes, groups * GROUP_BYTES));
      read(scales.path, scales.start + group, kernels.u8(factors, groups));
      kernels.mxfp4ToF32(codes, factors, target, groups);
      if (target !== plain) kernels.f32(plain, n).set(kernels.f32(target + before * 4, n));
    });
  },
  encode(kernels, { path, start, scales }, { first, n, plain }, read, write) {
    const { group, groups } = wholeGroups(path, first, n);
    return kernels.arena.borrow(groups * (GROUP_BYTES + 1), (codes) => {
      const factors = codes + groups * GROUP_BYTES;
      read(scales.path, scales.start + group, kernels.u8(factors, groups));
      const unfit = kernels.f32ToMxfp4(plain, factors, codes, groups);
      if (unfit < 0) write(path, start + group * GROUP_BYTES, kernels.u8(codes, groups * GROUP_BYTES));
      return unfit;
    });
  },
  widen(kernels, { path, scales }, first, values, read, write) {
    const { group, groups } = wholeGroups(path, first, values.length);
    const factors = new Uint8Array(groups);
    read(scales.path, scales.start + group, factors);
    const place = kernels.arena.allocate(MXFP4_GROUP * 4);
    let widened = false;
    for (const [index, scale] of factors.entries()) {
      kernels.f32(place, MXFP4_GROUP).set(values.subarray(index * MXFP4_GROUP, (index + 1) * MXFP4_GROUP));
      const largest = kernels.largestMagnitude(place, MXFP4_GROUP);
      let fitting = scale;
      while (largest / 2 ** (fitting - BIAS) >= TOO_LARGE && fitting < LARGEST_SCALE) fitting++;
      if (fitting === scale) continue;
      factors[index] = fitting;
      widened = true;
    }
    if (widened) write(scales.path, scales.start + group, factors);
  },
};

function wholeGroups(path: string, first: number, n: number): { group: number; groups: number } {
  if (first % MXFP4_GROUP !== 0 || n % MXFP4_GROUP !== 0) {
    throw new RangeError(`${n} elements from ${first} on are no whole groups of ${path}`);
  }
  return { group: first / MXFP4_GROUP, groups: n / MXFP4_GROUP };
}
