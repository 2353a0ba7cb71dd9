import { describe, expect, it } from 'vitest';
import { uniform } from '../support/random.js';
import { Workspace } from './workspace.js';

const workspace = new Workspace();
const { kernels } = workspace;

/** Storage of one width whose values are +0, −0, subnormal, NaN, Inf or ordinary. */
const widths = [
  {
    bits: 16 as const,
    zeros: [0, 0x8000],
    others: [1, 0x8001, 0x7fff, 0x7f80, 0xffff, 0x3f80, 0x0100],
    put: (values: number[]) => workspace.put(Uint16Array.from(values)),
  },
  {
    bits: 32 as const,
    zeros: [0, 2 ** 31],
    others: [1, 2 ** 31 + 1, 0x7fffffff, 0x7f800000, 0xffffffff, 0x3f800000, 0x10000],
    put: (values: number[]) => workspace.put(Uint32Array.from(values)),
  },
];

describe.each(widths)('on $bits-bit storage', ({ bits, zeros, others, put }) => {
  function mixed(n: number, density: number, seed: number): number[] {
    const next = uniform(seed);
    return Array.from({ length: n }, () => {
      const from = next() < density ? zeros : others;
      return from[Math.floor(next() * from.length)] as number;
    });
  }

  it.each([0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 1000])('counts both zeros, n = %i', (n) => {
    for (const density of [0, 0.5, 1]) {
      const values = mixed(n, density, n);
      const found = kernels[`countZeros${bits}`](put(values), n);
      expect(found).toBe(values.filter((value) => zeros.includes(value)).length);
      workspace.finish();
    }
  });

  it.each([
    [1, 2],
    [2, 4],
    [1, 4],
    [3, 4],
    [4, 8],
    [1, 8],
    [1, 3],
    [3, 5],
    [7, 16],
    [40, 70],
  ])('counts the groups with more than %i of %i', (keep, of) => {
    for (const [rows, groups] of [
      [1, 1],
      [1, 3],
      [3, 1],
      [5, 7],
      [4, 16],
    ] as const) {
      const columns = groups * of;
      const values = mixed(rows * columns, 1 - keep / of, rows + of);
      let expected = 0;
      for (let start = 0; start < values.length; start += of) {
        const kept = values.slice(start, start + of).filter((value) => !zeros.includes(value)).length;
        if (kept > keep) expected++;
      }
      expect(kernels[`countGroupViolations${bits}`](put(values), rows, columns, keep, of)).toBe(expected);
      workspace.finish();
    }
  });
});
