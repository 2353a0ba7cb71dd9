/** What every score must satisfy, whatever its formula: run by `scores.test.ts` for each line of the registry. @module */
import { describe, expect, it } from 'vitest';
import { RunError } from '../../src/errors.js';
import type { WorkerPool } from '../../src/runtime/worker-pool.js';
import type { Score } from '../../src/scores/score.js';
import { type Pattern, zeroCount } from '../../src/sparsity/pattern.js';
import { pruneByScore } from '../../src/sparsity/prune-by-score.js';
import { float32View } from '../../src/system/native-memory.js';
import { smallest } from '../kernels/selection-oracle.js';
import { bitsOf, Workspace } from '../kernels/workspace.js';
import { nativeTensor } from '../support/native.js';
import { normals } from '../support/random.js';

export interface ScoredProblem {
  readonly rows: number;
  readonly columns: number;
  readonly weights: Float32Array<ArrayBuffer>;
  readonly columnNorms: Float32Array<ArrayBuffer>;
}

/** Random weights, among them −0, +0 and repeated values; positive norms of different scales. */
export function randomProblem(rows: number, columns: number, seed = rows + columns): ScoredProblem {
  const weights = Float32Array.from(normals(rows * columns, seed));
  for (let i = 0; i < weights.length; i += 7) weights[i] = [-0, 0, 0.25, -0.25][(i / 7) % 4] as number;
  const columnNorms = Float32Array.from(normals(columns, seed + 1), (x, j) => Math.abs(x) * (1 + (j % 5)));
  return { rows, columns, weights, columnNorms };
}

const workspace = new Workspace();

/** The score of every weight, computed at once. */
export function scoresOf(score: Score, problem: ScoredProblem): Float32Array<ArrayBuffer> {
  const { rows, columns, weights, columnNorms } = problem;
  const scores = workspace.out(weights.byteLength);
  score.compute(workspace.kernels, {
    weights: workspace.put(weights),
    scores,
    rows,
    columns,
    columnNorms: workspace.put(columnNorms),
  });
  const result = workspace.kernels.f32(scores, weights.length).slice();
  workspace.finish();
  return result;
}

/** The weights after pruning in worker threads. */
export async function pruned(
  pool: WorkerPool,
  score: Score,
  { rows, columns, weights, columnNorms }: ScoredProblem,
  pattern: Pattern,
): Promise<Float32Array<ArrayBuffer>> {
  const ref = nativeTensor(weights, [rows, columns]);
  await pruneByScore(pool, score, { name: 'layer.w', weights: ref, columnNorms, pattern });
  return Float32Array.from(float32View(ref.address, weights.length));
}

/** The weights with the smallest of the given scores of every group zeroed, by sorting. */
export function prunedBySorting(
  { columns, weights }: ScoredProblem,
  scores: Float32Array,
  pattern: Pattern,
  comparisonGroup: Score['comparisonGroup'],
): Float32Array<ArrayBuffer> {
  const group = pattern.kind === 'n:m' ? pattern.of : comparisonGroup === 'row' ? columns : weights.length;
  const zeros = pattern.kind === 'n:m' ? pattern.of - pattern.keep : zeroCount(group, pattern.sparsity);
  const result = weights.slice();
  for (let start = 0; start < weights.length; start += group) {
    for (const [i, masked] of smallest(scores.subarray(start, start + group), zeros).entries()) {
      if (masked) result[start + i] = 0;
    }
  }
  return result;
}

/** Compares bit for bit, so that −0 that stays is told from +0 that was pruned. */
export function expectSameBits(got: Float32Array<ArrayBuffer>, expected: Float32Array<ArrayBuffer>): void {
  const [a, b] = [bitsOf(got), bitsOf(expected)];
  expect(a.length).toBe(b.length);
  expect([...a.keys()].filter((i) => a[i] !== b[i]).slice(0, 10)).toEqual([]);
}

const unstructured = (sparsity: number): Pattern => ({ kind: 'unstructured', sparsity });
const patterns: Pattern[] = [
  ...[0, 0.01, 0.29, 0.5, 0.77, 0.999].map(unstructured),
  ...(
    [
      [2, 4],
      [1, 4],
      [1, 2],
      [4, 8],
      [3, 10],
      [19, 20],
    ] as const
  ).map(([keep, of]) => ({ kind: 'n:m' as const, keep, of })),
];

/** @param pools of 1 worker and of others */
export function describeScore(score: Score, pools: readonly [WorkerPool, ...WorkerPool[]]): void {
  const [pool] = pools;

  describe(score.name, () => {
    it('is finite and never negative, and clears the sign of zero', () => {
      for (const value of scoresOf(score, randomProblem(13, 27))) {
        expect(Number.isFinite(value) && value >= 0 && !Object.is(value, -0)).toBe(true);
      }
    });

    it('gives a row the same scores whatever rows are computed with it', () => {
      const problem = randomProblem(9, 33);
      const whole = scoresOf(score, problem);
      for (let r = 0; r < 9; r++) {
        const weights = problem.weights.slice(r * 33, (r + 1) * 33);
        expectSameBits(scoresOf(score, { ...problem, rows: 1, weights }), whole.slice(r * 33, (r + 1) * 33));
      }
    });

    it.each(patterns)(
      'zeroes exactly the smallest scores of every group and no other bit: %o',
      async (pattern) => {
        for (const [rows, columns] of [
          [1, 40],
          [7, 120],
          [50, 80],
        ] as const) {
          const problem = randomProblem(rows, columns);
          const expected = prunedBySorting(problem, scoresOf(score, problem), pattern, score.comparisonGroup);
          expectSameBits(await pruned(pool, score, problem, pattern), expected);
        }
      },
    );

    it.each(patterns)('prunes the first of equal weights: %o', async (pattern) => {
      for (const value of [1, -3, 0, -0]) {
        const problem = { ...randomProblem(6, 40), weights: new Float32Array(240).fill(value) };
        const constant = { ...problem, columnNorms: new Float32Array(40).fill(2) };
        const expected = prunedBySorting(constant, new Float32Array(240), pattern, score.comparisonGroup);
        expectSameBits(await pruned(pool, score, constant, pattern), expected);
      }
    });

    it.each(patterns)('keeps its counts when all inputs were zero: %o', async (pattern) => {
      const problem = { ...randomProblem(8, 40), columnNorms: new Float32Array(40) };
      const expected = prunedBySorting(problem, scoresOf(score, problem), pattern, score.comparisonGroup);
      expectSameBits(await pruned(pool, score, problem, pattern), expected);
    });

    it('gives the same bits with any number of workers', async () => {
      const problem = randomProblem(1100, 1000);
      for (const pattern of [unstructured(0.37), { kind: 'n:m', keep: 2, of: 4 } as const]) {
        const first = await pruned(pool, score, problem, pattern);
        for (const other of pools.slice(1))
          expectSameBits(await pruned(other, score, problem, pattern), first);
      }
    });

    it.each([Number.NaN, Number.POSITIVE_INFINITY])(
      'stops at a weight that is %d, by the name of its layer',
      async (bad) => {
        for (const pattern of [unstructured(0.5), { kind: 'n:m', keep: 2, of: 4 } as const]) {
          const problem = randomProblem(5, 40);
          problem.weights[171] = bad;
          const attempt = pruned(pool, score, problem, pattern);
          await expect(attempt).rejects.toThrow(RunError);
          await expect(attempt).rejects.toThrow(/layer\.w.*isn't finite/);
        }
      },
    );

    if (score.statistics === 'column norms') {
      it('refuses to run without column norms, or with too few', async () => {
        const { weights } = randomProblem(4, 8);
        for (const columnNorms of [undefined, new Float32Array(7)]) {
          const ref = nativeTensor(weights, [4, 8]);
          const matrix = { name: 'layer.w', weights: ref, columnNorms, pattern: unstructured(0.5) };
          await expect(pruneByScore(pool, score, matrix)).rejects.toThrow('layer.w');
          expectSameBits(Float32Array.from(float32View(ref.address, 32)), weights);
        }
      });
    }
  });
}
