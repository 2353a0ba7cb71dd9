import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exponentShares } from '../../src/pipeline/allocations/alpha.js';
import { outlierShares } from '../../src/pipeline/allocations/owl.js';
import { allocatedPatterns, mayDiffer, shifted } from '../../src/pipeline/allocations/share-out.js';
import { patternSparsity, zeroCount } from '../../src/sparsity/pattern.js';

const linears = fc.array(
  fc.record({
    size: fc.integer({ min: 1, max: 5_000_000 }),
    wish: fc.double({ min: -1, max: 2, noNaN: true }),
  }),
  { minLength: 1, maxLength: 60 },
);

interface Wish {
  readonly size: number;
  readonly wish: number;
}

const range = { least: 0, most: 0.99 };

describe('sharing out', () => {
  it('meets the goal over all weights, keeps the order of the wishes, and leaves something of every linear', () => {
    fc.assert(
      fc.property(linears, fc.double({ min: 0, max: 0.95, noNaN: true }), (list, goal) => {
        const sizes = list.map(({ size }) => size);
        const result = shifted(
          goal,
          sizes,
          list.map(({ wish }) => wish),
          range,
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
    expect(shifted(0.5, [1, 1, 2], [0.4, 0.8, 0.4], range)).toEqual(
      [0.4, 0.8, 0.4].map((x) => expect.closeTo(x, 14)),
    );
  });

  it('gives the goal itself where there is no wish, and meets it among the others', () => {
    const partly = fc.array(
      fc.record({
        rows: fc.integer({ min: 1, max: 3000 }),
        columns: fc.integer({ min: 1, max: 500 }).map((groups) => 8 * groups),
        wish: fc.option(fc.double({ min: -1, max: 2, noNaN: true }), { nil: undefined }),
      }),
      { minLength: 1, maxLength: 40 },
    );
    fc.assert(
      fc.property(partly, fc.integer({ min: 1, max: 7 }), fc.boolean(), (list, keep, isNofM) => {
        const goal = isNofM
          ? ({ kind: 'n:m', keep, of: 8 } as const)
          : ({ kind: 'unstructured', sparsity: 1 - keep / 8 } as const);
        const sizes = list.map(({ rows, columns }) => rows * columns);
        const patterns = allocatedPatterns(
          goal,
          list.map(({ columns }, i) => ({ size: sizes[i] as number, columns })),
          { sparsities: list.map(({ wish }) => wish), isExact: false },
        );
        let [zeros, all] = [0, 0];
        for (const [i, pattern] of patterns.entries()) {
          if (list[i]?.wish === undefined) {
            expect(pattern).toEqual(goal);
            continue;
          }
          zeros += patternSparsity(pattern) * (sizes[i] as number);
          all += sizes[i] as number;
        }
        const missed = zeros - (1 - keep / 8) * all;
        expect(missed).toBeGreaterThan(-1e-9 * (1 + all));
        // For N:M less than one of a group, times the largest linear.
        expect(missed).toBeLessThan((isNofM ? Math.max(...sizes) / 8 : 0) + 1e-9 * (1 + all));
      }),
      { numRuns: 300 },
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
            wishes.map(() => ({ size: 1000, columns: 100 })),
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

  it.each<[string, (list: Wish[], goal: number, spread: number) => number[]]>([
    [
      'owl',
      (list, goal, spread) =>
        outlierShares(
          goal,
          list.map(({ wish }) => wish),
          spread / 2,
        ),
    ],
    [
      'alpha',
      (list, goal, spread) =>
        exponentShares(
          goal,
          list.map(({ size }) => size),
          list.map(({ wish }) => wish),
          // So that 2 · epsilon · goal / (1 − epsilon) is the spread.
          spread / (2 * goal + spread),
        ),
    ],
  ])('%s: rounds sparsities that lie less than 1/M apart to the N of the goal', (_, share) => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ size: fc.integer({ min: 1, max: 5_000_000 }), wish: fc.nat(1000) }), {
          minLength: 1,
          maxLength: 40,
        }),
        fc
          .integer({ min: 2, max: 32 })
          .chain((of) => fc.tuple(fc.integer({ min: 1, max: of - 1 }), fc.constant(of))),
        fc.double({ min: 0.01, max: 0.9999, noNaN: true }),
        (list, [keep, of], whole) => {
          const goal = { kind: 'n:m', keep, of } as const;
          const spread = whole / of;
          expect(mayDiffer(spread, of)).toBe(false);
          const patterns = allocatedPatterns(
            goal,
            list.map(({ size }) => ({ size, columns: 1 })),
            { sparsities: share(list, (of - keep) / of, spread), isExact: false },
          );
          expect(patterns).toEqual(list.map(() => goal));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('rounds some that lie 1/M apart to another N', () => {
    const patterns = allocatedPatterns(
      { kind: 'n:m', keep: 2, of: 4 },
      [0, 1].map(() => ({ size: 1000, columns: 100 })),
      { sparsities: [0.375, 0.625], isExact: false },
    );
    expect(patterns.map((pattern) => pattern.kind === 'n:m' && pattern.keep)).toEqual([3, 1]);
    expect(mayDiffer(0.25, 4)).toBe(true);
  });

  it('meets the goal where every row loses a whole number of weights, but for one of the rows of a linear', () => {
    const shapes = fc.array(
      fc.record({
        rows: fc.integer({ min: 1, max: 3000 }),
        columns: fc.integer({ min: 200, max: 3000 }),
        wish: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
      { minLength: 1, maxLength: 40 },
    );
    fc.assert(
      fc.property(shapes, fc.double({ min: 0.01, max: 0.95, noNaN: true }), (list, goal) => {
        const patterns = allocatedPatterns(
          { kind: 'unstructured', sparsity: goal },
          list.map(({ rows, columns }) => ({ size: rows * columns, columns })),
          { sparsities: list.map(({ wish }) => wish), isExact: false },
          true,
        );
        let [zeros, all, largest] = [0, 0, 0];
        for (const [i, { rows, columns }] of list.entries()) {
          const { sparsity } = patterns[i] as { sparsity: number };
          const ofRow = zeroCount(columns, sparsity);
          expect(ofRow).toBeCloseTo(sparsity * columns, 6);
          zeros += rows * ofRow;
          all += rows * columns;
          expect(ofRow).toBeLessThan(columns);
          largest = Math.max(largest, rows);
        }
        expect(zeros).toBeLessThanOrEqual(goal * all + 1e-6);
        expect(zeros).toBeGreaterThan(goal * all - largest - 1e-6);
      }),
      { numRuns: 300 },
    );
  });

  it('leaves something of every row', () => {
    const linears = [64, 192, 512].map((columns) => ({ size: 100 * columns, columns }));
    for (const sparsity of [0.98, 0.99, 0.995, 0.999]) {
      const goal = { kind: 'unstructured', sparsity } as const;
      const patterns = allocatedPatterns(goal, linears, { sparsities: [1, 0.9, 0.8], isExact: false }, true);
      for (const [i, { columns }] of linears.entries())
        expect(zeroCount(columns, (patterns[i] as { sparsity: number }).sparsity)).toBeLessThan(columns);
    }
  });

  it('reaches goals above what an allocation would ask of a linear', () => {
    const patterns = allocatedPatterns(
      { kind: 'unstructured', sparsity: 0.995 },
      [0.9, 1].map(() => ({ size: 1000, columns: 100 })),
      { sparsities: [0.9, 1], isExact: false },
    );
    for (const pattern of patterns)
      expect(pattern).toEqual({ kind: 'unstructured', sparsity: expect.closeTo(0.995, 12) });
  });
});
