import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allocatedPatterns, shifted } from '../../src/pipeline/allocations/share-out.js';

const linears = fc.array(
  fc.record({
    size: fc.integer({ min: 1, max: 5_000_000 }),
    wish: fc.double({ min: -1, max: 2, noNaN: true }),
  }),
  { minLength: 1, maxLength: 60 },
);

describe('sharing out', () => {
  it('meets the goal over all weights, keeps the order of the wishes, and leaves something of every linear', () => {
    fc.assert(
      fc.property(linears, fc.double({ min: 0, max: 0.95, noNaN: true }), (list, goal) => {
        const sizes = list.map(({ size }) => size);
        const result = shifted(
          goal,
          sizes,
          list.map(({ wish }) => wish),
        );
        const total = sizes.reduce((sum, size) => sum + size, 0);
        const mean = result.reduce((sum, sparsity, i) => sum + (sparsity * (sizes[i] as number)) / total, 0);
        expect(Math.abs(mean - goal)).toBeLessThan(1e-12);
        for (const [i, sparsity] of result.entries()) {
          expect(sparsity).toBeGreaterThanOrEqual(0);
          expect(sparsity).toBeLessThanOrEqual(0.99);
          for (const [j, other] of result.entries()) {
            if ((list[i]?.wish as number) > (list[j]?.wish as number))
              expect(sparsity).toBeGreaterThanOrEqual(other);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('gives wishes that meet the goal to the bit of a sum', () => {
    expect(shifted(0.5, [1, 1, 2], [0.4, 0.8, 0.4])).toEqual(
      [0.4, 0.8, 0.4].map((x) => expect.closeTo(x, 14)),
    );
  });

  it('shares N:M among linears of one size without a remainder', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 40 }),
        fc
          .integer({ min: 2, max: 16 })
          .chain((of) => fc.tuple(fc.integer({ min: 1, max: of - 1 }), fc.constant(of))),
        (wishes, [keep, of]) => {
          const patterns = allocatedPatterns(
            { kind: 'n:m', keep, of },
            wishes.map(() => ({ size: 1000 })),
            { sparsities: wishes, isExact: false },
          );
          let kept = 0;
          for (const pattern of patterns) {
            if (pattern.kind !== 'n:m') throw new Error('another kind of pattern');
            expect(pattern.of).toBe(of);
            expect(pattern.keep).toBeGreaterThanOrEqual(1);
            expect(pattern.keep).toBeLessThan(of);
            kept += pattern.keep;
          }
          expect(kept).toBe(keep * wishes.length);
        },
      ),
      { numRuns: 300 },
    );
  });
});
