import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gramStrips, type Strip } from '../../src/statistics/gram-layout.js';
import { shareStrips } from '../../src/statistics/share-strips.js';

const work = (strips: readonly Strip[]) => strips.reduce((sum, { rows, width }) => sum + rows * width, 0);

describe('shareStrips', () => {
  it('gives every strip of every group to one share, and no share more than one strip too much', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 3000 }), { maxLength: 4 }),
        fc.integer({ min: 1, max: 4096 }),
        fc.integer({ min: 1, max: 8 }),
        (sizes, tokens, workers) => {
          const groups = sizes.map((size, index) => ({ size, index }));
          const shares = shareStrips(groups, tokens, workers);
          for (const group of groups) {
            const own = shares.flatMap((share) =>
              share.flatMap((part) => (part.group === group ? part.strips : [])),
            );
            expect(own.toSorted((a, b) => a.first - b.first)).toEqual(gramStrips(group.size));
          }
          const loads = shares.map((share) => share.reduce((sum, { strips }) => sum + work(strips), 0));
          const largest = Math.max(
            0,
            ...groups.flatMap(({ size }) => gramStrips(size).map((s) => work([s]))),
          );
          expect(Math.max(0, ...loads) - Math.min(...loads, Number.POSITIVE_INFINITY)).toBeLessThanOrEqual(
            largest,
          );
        },
      ),
      { numRuns: 100 },
    );
  });

  it('makes one share a worker of a small Gram matrix, and more of a large one', () => {
    expect(shareStrips([{ size: 576 }], 2048, 2)).toHaveLength(2);
    expect(shareStrips([{ size: 4096 }], 2048, 2)).toHaveLength(2);
    expect(shareStrips([{ size: 11008 }], 2048, 2)).toHaveLength(8);
  });
});
