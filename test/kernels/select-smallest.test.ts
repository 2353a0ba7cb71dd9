import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normals } from '../support/random.js';
import { scoresOf, smallest } from './selection-oracle.js';
import { bitsOf, Workspace } from './workspace.js';

const workspace = new Workspace();
const { kernels } = workspace;

function selectSmallest(scores: Float32Array<ArrayBuffer>, k: number): Uint8Array {
  const mask = workspace.out(scores.length);
  kernels.selectSmallest(workspace.put(scores), scores.length, k, mask);
  const result = kernels.u8(mask, scores.length).slice();
  workspace.finish();
  return result;
}

/** Scores and how many of them to take. */
const problem = fc
  .integer({ min: 1, max: 150 })
  .chain((n) => fc.record({ scores: scoresOf(n), k: fc.integer({ min: 0, max: n }) }));

describe('selectSmallest', () => {
  it('takes exactly the k smallest, ties by index', () => {
    fc.assert(
      fc.property(problem, ({ scores, k }) => {
        expect(selectSmallest(scores, k)).toEqual(smallest(scores, k));
      }),
      { numRuns: 500 },
    );
  });

  it('takes the first of equal scores for every k', () => {
    for (const value of [0, 1, 3.4028234663852886e38]) {
      for (const n of [1, 4, 15, 16, 17, 40]) {
        for (let k = 0; k <= n; k++) {
          const expected = Uint8Array.from({ length: n }, (_, i) => (i < k ? 1 : 0));
          expect(selectSmallest(new Float32Array(n).fill(value), k)).toEqual(expected);
        }
      }
    }
  });

  it('selects among many', () => {
    const scores = normals(70_001, 3).map(
      (x) => Math.round(Math.abs(x) * 1000) / 1000,
    ) as Float32Array<ArrayBuffer>;
    for (const k of [1, 35_000, 70_000]) expect(selectSmallest(scores, k)).toEqual(smallest(scores, k));
  });
});

describe('selectSmallestRows', () => {
  it('selects in every row by itself', () => {
    const rows = fc.record({
      rows: fc.integer({ min: 1, max: 6 }),
      columns: fc.integer({ min: 1, max: 40 }),
    });
    const problem = rows.chain((shape) =>
      fc.record({
        shape: fc.constant(shape),
        scores: scoresOf(shape.rows * shape.columns),
        k: fc.integer({ min: 0, max: shape.columns }),
      }),
    );
    fc.assert(
      fc.property(problem, ({ shape: { rows, columns }, scores, k }) => {
        const mask = workspace.out(scores.length);
        kernels.selectSmallestRows(workspace.put(scores), rows, columns, k, mask);
        for (let r = 0; r < rows; r++) {
          const expected = smallest(scores.subarray(r * columns, (r + 1) * columns), k);
          expect(kernels.u8(mask + r * columns, columns)).toEqual(new Uint8Array(expected));
        }
        workspace.finish();
      }),
      { numRuns: 300 },
    );
  });
});

describe('thresholdMask', () => {
  it('takes all below and the first `ties` on the threshold', () => {
    const problem = fc.integer({ min: 1, max: 100 }).chain((n) =>
      fc.record({
        scores: scoresOf(n),
        at: fc.nat(n - 1),
        nudge: fc.constantFrom(0, 0, 0, 1),
        ties: fc.nat(n + 3),
      }),
    );
    fc.assert(
      fc.property(problem, ({ scores, at, nudge, ties }) => {
        const threshold = (bitsOf(scores)[at] as number) + nudge;
        const mask = workspace.out(scores.length);
        const taken = kernels.thresholdMask(workspace.put(scores), scores.length, threshold, ties, mask);
        let equal = 0;
        const expected = Uint8Array.from(bitsOf(scores), (bits) =>
          bits < threshold || (bits === threshold && equal++ < ties) ? 1 : 0,
        );
        expect(kernels.u8(mask, scores.length)).toEqual(expected);
        expect(taken).toBe(Math.min(ties, equal));
        workspace.finish();
      }),
      { numRuns: 300 },
    );
  });
});

describe('histogramHigh and histogramLow', () => {
  const BINS = 65_536;
  const differing = (counts: Uint32Array, expected: Uint32Array) =>
    [...counts.keys()].filter((bin) => counts[bin] !== expected[bin]);

  it('count the halves of the bits, added to what is there', () => {
    for (const n of [0, 1, 3, 4, 5, 18, 1001]) {
      const scores = normals(n, n).map((x) => Math.abs(x)) as Float32Array<ArrayBuffer>;
      if (n > 4) scores.fill(1 + 2 ** -23, 2, 5);
      const bits = bitsOf(scores);
      const place = workspace.put(scores);
      const start = new Uint32Array(BINS).fill(3);

      const high = workspace.put(start);
      expect(kernels.histogramHigh(place, n, high)).toBe(bits.some((b) => b % BINS !== 0));
      const expectedHigh = start.slice();
      for (const b of bits) (expectedHigh[Math.floor(b / BINS)] as number)++;
      expect(differing(kernels.u32(high, BINS), expectedHigh)).toEqual([]);

      const wanted = n === 0 ? 0x3f80 : Math.floor((bits[Math.min(2, n - 1)] as number) / BINS);
      const low = workspace.put(start);
      kernels.histogramLow(place, n, wanted, low);
      const expectedLow = start.slice();
      for (const b of bits) if (Math.floor(b / BINS) === wanted) (expectedLow[b % BINS] as number)++;
      expect(differing(kernels.u32(low, BINS), expectedLow)).toEqual([]);
      workspace.finish();
    }
  });

  it('histogramHigh says whether low bits are used, wherever one is', () => {
    for (const n of [1, 4, 7, 16]) {
      for (let i = -1; i < n; i++) {
        const scores = new Float32Array(n).fill(1.5);
        if (i >= 0) bitsOf(scores)[i] = 0x3fc0_0001;
        const used = kernels.histogramHigh(workspace.put(scores), n, workspace.put(new Uint32Array(BINS)));
        expect(used).toBe(i >= 0);
        workspace.finish();
      }
    }
  });
});
