import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { RequestError } from '../../src/errors.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { magnitude } from '../../src/scores/magnitude.js';
import { wanda } from '../../src/scores/wanda.js';
import type { Pattern } from '../../src/sparsity/pattern.js';
import { bitsOf } from '../kernels/workspace.js';
import { pruned, prunedBySorting, type ScoredProblem, scoresOf } from '../scores/conformance.js';
import { expectSameBits } from '../support/expect-same-bits.js';
import { normals, uniform } from '../support/random.js';

const pool = new WorkerPool(2);
afterAll(() => pool.close());

const zerosIn = (data: Float32Array) =>
  data.reduce((count, value) => count + (Object.is(value, 0) ? 1 : 0), 0);

/** No weight of these is zero, so that the zeros counted afterwards are those made. */
const nonZero = fc.oneof(
  fc.constantFrom(1, -1, 1 + 2 ** -23, -(2 ** -149), 2 ** -149, 0.5, -3e38),
  fc.float({ noNaN: true, noDefaultInfinity: true }).filter((value) => value !== 0),
);

/** A small matrix and hundredths of sparsity. */
const problem = fc
  .record({ rows: fc.integer({ min: 1, max: 9 }), columns: fc.integer({ min: 1, max: 30 }) })
  .chain(({ rows, columns }) =>
    fc.record({
      rows: fc.constant(rows),
      columns: fc.constant(columns),
      weights: fc
        .array(nonZero, { minLength: rows * columns, maxLength: rows * columns })
        .map((values) => Float32Array.from(values)),
      columnNorms: fc
        .array(fc.constantFrom(0.5, 1, 0.25), { minLength: columns, maxLength: columns })
        .map((values) => Float32Array.from(values)),
      hundredths: fc.nat(99),
    }),
  );

describe('pruneByScore', () => {
  it('magnitude: ⌊numel·S⌋ zeros in the matrix, the smallest, survivors unchanged', async () => {
    await fc.assert(
      fc.asyncProperty(problem, async ({ hundredths, ...given }) => {
        const result = await pruned(pool, magnitude, given, {
          kind: 'unstructured',
          sparsity: hundredths / 100,
        });
        expect(zerosIn(result)).toBe(Math.floor((given.weights.length * hundredths) / 100));
        const kept = given.weights.filter((_, i) => !Object.is(result[i], 0)).map(Math.abs);
        const gone = given.weights.filter((_, i) => Object.is(result[i], 0)).map(Math.abs);
        expect(Math.max(0, ...gone)).toBeLessThanOrEqual(Math.min(Number.POSITIVE_INFINITY, ...kept));
        expectSameBits(
          result.map((value, i) => (Object.is(value, 0) ? (given.weights[i] as number) : value)),
          given.weights,
        );
      }),
      { numRuns: 150 },
    );
  });

  it('wanda: ⌊in·S⌋ zeros in every row', async () => {
    await fc.assert(
      fc.asyncProperty(problem, async ({ hundredths, ...given }) => {
        const { rows, columns } = given;
        const result = await pruned(pool, wanda, given, { kind: 'unstructured', sparsity: hundredths / 100 });
        for (let r = 0; r < rows; r++) {
          const zeros = zerosIn(result.subarray(r * columns, (r + 1) * columns));
          expect(zeros).toBe(Math.floor((columns * hundredths) / 100));
        }
        expectSameBits(
          result.map((value, i) => (Object.is(value, 0) ? (given.weights[i] as number) : value)),
          given.weights,
        );
      }),
      { numRuns: 150 },
    );
  });

  it('N:M: M − N zeros in every group, for any 1 ≤ N < M', async () => {
    const shapes = fc
      .record({
        of: fc.integer({ min: 2, max: 70 }),
        groups: fc.integer({ min: 1, max: 3 }),
        rows: fc.integer({ min: 1, max: 5 }),
      })
      .chain((shape) =>
        fc.record({ shape: fc.constant(shape), keep: fc.integer({ min: 1, max: shape.of - 1 }) }),
      );
    await fc.assert(
      fc.asyncProperty(
        shapes,
        fc.constantFrom(magnitude, wanda),
        async ({ shape: { of, groups, rows }, keep }, score) => {
          const columns = of * groups;
          // Rounded to few values, none of them zero.
          const weights = Float32Array.from(normals(rows * columns, of), (x) => Math.round(x * 2) || 0.5);
          const given = { rows, columns, weights, columnNorms: new Float32Array(columns).fill(1) };
          const result = await pruned(pool, score, given, { kind: 'n:m', keep, of });
          for (let start = 0; start < result.length; start += of) {
            expect(zerosIn(result.subarray(start, start + of))).toBe(of - keep);
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it('magnitude of bf16 weights over several tasks: as sorting does, with ties across them', async () => {
    const [rows, columns] = [1100, 1001];
    const weights = Float32Array.from(normals(rows * columns, 5));
    const bits = bitsOf(weights);
    for (let i = 0; i < bits.length; i++) bits[i] = (bits[i] as number) & 0xffff_0000;
    const given = { rows, columns, weights, columnNorms: new Float32Array(columns).fill(1) };
    const pattern: Pattern = { kind: 'unstructured', sparsity: 0.503 };
    const expected = prunedBySorting(given, scoresOf(magnitude, given), pattern, 'tensor');
    expectSameBits(await pruned(pool, magnitude, given, pattern), expected);
  });

  it.each([
    ['BF16', (bits: number) => new Float32Array(Uint32Array.of(bits << 16).buffer)[0] as number],
    [
      'F16',
      (bits: number) => {
        const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
        const size = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
        if (exponent === 31) return Number.NaN;
        return bits & 0x8000 ? -size : size;
      },
    ],
  ] as const)('keeps every finite %s as it is stored, or makes it +0.0', async (dtype, toNumber) => {
    const values = Float32Array.from({ length: 65_536 }, (_, bits) => toNumber(bits)).filter(Number.isFinite);
    expect(values.length % 256).toBe(0);
    const [rows, columns] = [values.length / 256, 256];
    const given = { rows, columns, weights: values, columnNorms: new Float32Array(columns).fill(1) };
    const patterns: Pattern[] = [
      { kind: 'unstructured', sparsity: 0 },
      { kind: 'unstructured', sparsity: 0.4 },
      { kind: 'n:m', keep: 3, of: 8 },
    ];
    for (const pattern of patterns) {
      const expected = prunedBySorting(given, values.map(Math.abs), pattern, 'tensor');
      expectSameBits(await pruned(pool, magnitude, given, pattern, dtype), expected);
    }
  });

  it('leaves every bit at sparsity 0', async () => {
    const weights = Float32Array.of(-0, 0, 2 ** -149, -(2 ** -149), 1, -1, 3e38, -0);
    const given = { rows: 2, columns: 4, weights, columnNorms: Float32Array.of(0, 1, 1, 1) };
    for (const score of [magnitude, wanda]) {
      expectSameBits(await pruned(pool, score, given, { kind: 'unstructured', sparsity: 0 }), weights);
    }
  });

  it('makes a pruned −0 exact +0.0 and keeps one that survives', async () => {
    const given = {
      rows: 1,
      columns: 4,
      weights: Float32Array.of(-0, -0, 5, -5),
      columnNorms: new Float32Array(4).fill(1),
    };
    for (const score of [magnitude, wanda]) {
      const result = await pruned(pool, score, given, { kind: 'unstructured', sparsity: 0.25 });
      expect([...bitsOf(result)]).toEqual([0, 0x80000000, ...bitsOf(Float32Array.of(5, -5))]);
    }
  });

  it('refuses M that does not divide the inputs, and leaves the weights', async () => {
    const given = {
      rows: 2,
      columns: 6,
      weights: new Float32Array(12).fill(1),
      columnNorms: new Float32Array(6),
    };
    const attempt = pruned(pool, magnitude, given, { kind: 'n:m', keep: 2, of: 4 });
    await expect(attempt).rejects.toThrow(RequestError);
    await expect(attempt).rejects.toThrow('layer.w');
  });
});

describe('over several tasks', () => {
  const [rows, columns] = [2300, 1000];
  const next = uniform(4);
  /** Few values, so that the last one pruned is shared by weights of every task. */
  const tied: ScoredProblem = {
    rows,
    columns,
    weights: Float32Array.from(
      { length: rows * columns },
      () => (Math.floor(next() * 8) + 1) * (next() < 0.5 ? -0.125 : 0.125),
    ),
    columnNorms: Float32Array.from({ length: columns }, (_, j) => 1 + (j % 2)),
  };
  const distinct: ScoredProblem = { ...tied, weights: Float32Array.from(normals(rows * columns, 6)) };

  it.each<[string, number, ScoredProblem]>([
    ['ties', 0.5, tied],
    ['ties', 0.0001, tied],
    ['ties', 0.93, tied],
    ['hardly any ties', 0.5, distinct],
    ['hardly any ties', 0.999, distinct],
  ])(
    'magnitude counts exactly and takes ties from the first weight on: %s, %d',
    async (_, sparsity, given) => {
      const zeros = Math.floor(given.weights.length * sparsity);
      const result = await pruned(pool, magnitude, given, { kind: 'unstructured', sparsity });
      expect(zerosIn(result)).toBe(zeros);
      // The value at which the choice falls, and how many of it go, by sorting magnitudes alone.
      const sorted = given.weights.map(Math.abs).sort();
      const threshold = sorted[zeros - 1] as number;
      let ties = zeros - sorted.indexOf(threshold);
      const expected = given.weights.map((w) => {
        const size = Math.abs(w);
        return size < threshold || (size === threshold && ties-- > 0) ? 0 : w;
      });
      expectSameBits(result, expected);
    },
  );

  it.each<Pattern>([
    { kind: 'unstructured', sparsity: 0.5 },
    { kind: 'n:m', keep: 2, of: 4 },
    { kind: 'n:m', keep: 60, of: 100 },
  ])('wanda goes row by row: %o', async (pattern) => {
    const result = await pruned(pool, wanda, tied, pattern);
    expectSameBits(result, prunedBySorting(tied, scoresOf(wanda, tied), pattern, 'row'));
  });

  it('takes rows that are longer than a task', async () => {
    const columns = 1_048_576 + 40;
    const given = {
      rows: 2,
      columns,
      weights: Float32Array.from({ length: 2 * columns }, (_, i) => 1 + (i % 3)),
      columnNorms: new Float32Array(columns).fill(1),
    };
    const byRow = await pruned(pool, wanda, given, { kind: 'unstructured', sparsity: 0.25 });
    for (const r of [0, 1]) {
      expect(zerosIn(byRow.subarray(r * columns, (r + 1) * columns))).toBe(Math.floor(columns / 4));
    }
    const byTensor = await pruned(pool, magnitude, given, { kind: 'unstructured', sparsity: 0.25 });
    expect(zerosIn(byTensor)).toBe(Math.floor(columns / 2));
  });
});
