import { describe, expect, it } from 'vitest';
import { uniform } from '../support/random.js';
import { Workspace } from './workspace.js';

const workspace = new Workspace();
const { kernels } = workspace;
const sizes = [0, 1, 2, 5, 15, 16, 17, 31, 32, 33, 100];

/** Random bits, with −0, NaN, ±Inf and subnormals among them. */
function storage(n: number, specials: readonly number[], range: number): number[] {
  const next = uniform(n);
  return Array.from({ length: n }, (_, i) =>
    i % 2 ? (specials[(i >> 1) % specials.length] as number) : Math.floor(next() * range),
  );
}

function masks(n: number): Uint8Array<ArrayBuffer>[] {
  const next = uniform(n + 1);
  return [
    new Uint8Array(n),
    new Uint8Array(n).fill(1),
    Uint8Array.from({ length: n }, () => (next() < 0.5 ? 1 : 0)),
    Uint8Array.from({ length: n }, (_, i) => i % 2),
  ];
}

describe('applyMask', () => {
  it.each(sizes)('stores +0.0 under the mask and changes no other bit, n = %i', (n) => {
    const bits = Uint32Array.from(
      storage(n, [2 ** 31, 0x7fc00001, 0xffc00000, 0xff800000, 0x80000001, 0], 2 ** 32),
    );
    for (const mask of masks(n)) {
      const place = workspace.put(bits);
      kernels.applyMask(place, workspace.put(mask), n);
      const values = kernels.f32(place, n);
      for (const [i, masked] of mask.entries()) if (masked) expect(Object.is(values[i], 0)).toBe(true);
      expect(kernels.u32(place, n)).toEqual(bits.map((value, i) => (mask[i] ? 0 : value)));
      workspace.finish();
    }
  });
});

describe('applyMask16', () => {
  it.each(sizes)('clears the bits under the mask and no other, n = %i', (n) => {
    const bits = Uint16Array.from(storage(n, [0x8000, 0x7fc1, 0xffc0, 0xff80, 0x7c01, 0xfc00, 1], 2 ** 16));
    for (const mask of masks(n)) {
      const place = workspace.put(bits);
      kernels.applyMask16(place, workspace.put(mask), n);
      expect(kernels.u16(place, n)).toEqual(bits.map((value, i) => (mask[i] ? 0 : value)));
      workspace.finish();
    }
  });
});
