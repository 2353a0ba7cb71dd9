/** What every score must satisfy, whatever its formula: run by `scores.test.ts` for each line of the registry. @module */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { RunError } from '../../src/errors.js';
import { bytesPerElement, decode, encode } from '../../src/forward/float-storage.js';
import type { FloatDtype } from '../../src/model/check-tensors.js';
import type { WorkerPool } from '../../src/runtime/worker-pool.js';
import { gradient } from '../../src/scores/gradient.js';
import type { Score, ScoreVectors } from '../../src/scores/score.js';
import { type Pattern, zeroCount } from '../../src/sparsity/pattern.js';
import { pruneByScore } from '../../src/sparsity/prune-by-score.js';
import type { FiledMatrix, GradientMoment } from '../../src/statistics/gradient-moments.js';
import { float32View } from '../../src/system/native-memory.js';
import { smallest } from '../kernels/selection-oracle.js';
import { Workspace } from '../kernels/workspace.js';
import { expectSameBits } from '../support/expect-same-bits.js';
import { nativeTensor } from '../support/native.js';
import { normals } from '../support/random.js';

export interface ScoredProblem {
  readonly rows: number;
  readonly columns: number;
  readonly weights: Float32Array<ArrayBuffer>;
  readonly columnNorms: Float32Array<ArrayBuffer>;
  /** Tokens that the norms are over, and those of each window that gradients were taken over; 1 when left out. */
  readonly tokens?: number;
  readonly gradientTokens?: number;
  /** [rows, columns] */
  readonly gradients?: Readonly<Record<GradientMoment, Float32Array<ArrayBuffer>>>;
}

type RandomProblem = ScoredProblem & Required<Pick<ScoredProblem, 'gradients'>>;

/** Random weights and moments of gradients, among them −0, +0 and repeated values; positive norms of different scales. */
export function randomProblem(rows: number, columns: number, seed = rows + columns): RandomProblem {
  const weights = Float32Array.from(normals(rows * columns, seed));
  for (let i = 0; i < weights.length; i += 7) weights[i] = [-0, 0, 0.25, -0.25][(i / 7) % 4] as number;
  const columnNorms = Float32Array.from(normals(columns, seed + 1), (x, j) => Math.abs(x) * (1 + (j % 5)));
  const mean = Float32Array.from(normals(rows * columns, seed + 2));
  const spread = normals(rows * columns, seed + 3);
  const gradients = { mean, 'root mean square': mean.map((m, i) => Math.hypot(m, spread[i] as number)) };
  return { rows, columns, weights, columnNorms, gradients };
}

let large: RandomProblem | undefined;

/** Of more than one task; made once for all scores, since drawing it takes longer than pruning it. */
function largeProblem(): RandomProblem {
  large ??= randomProblem(1100, 1000);
  return large;
}

const workspace = new Workspace();

/** A value for every option of every score. */
export const scoreOptions = { exponent: 0.5, hessian: 'gram', taylor: 'second', aggregate: 'set', alpha: 2 };

/** The moments that a score asks for. */
function momentsOf(
  score: Score,
  { gradients }: ScoredProblem,
  options: unknown,
): Float32Array<ArrayBuffer>[] {
  return (score.gradients?.(options) ?? []).map((moment) => {
    if (!gradients) throw new Error(`no gradients for ${score.name}`);
    return gradients[moment];
  });
}

/** The score's vectors, from sums in the order of the weights. */
export function vectorsOf(
  score: Score,
  { rows, columns, weights, columnNorms, tokens = 1, gradientTokens = 1 }: ScoredProblem,
  options: unknown = scoreOptions,
): ScoreVectors {
  const rowSums = new Float64Array(rows);
  const columnSums = new Float64Array(columns);
  for (const [i, w] of weights.entries()) {
    const [row, column] = [Math.floor(i / columns), i % columns];
    rowSums[row] = (rowSums[row] as number) + Math.abs(w);
    columnSums[column] = (columnSums[column] as number) + Math.abs(w);
  }
  return score.vectors({ columnNorms, tokens, gradientTokens, rowSums, columnSums }, options);
}

/** The score of every weight, computed at once. */
export function scoresOf(
  score: Score,
  problem: ScoredProblem,
  options: unknown = scoreOptions,
  vectors = vectorsOf(score, problem, options),
): Float32Array<ArrayBuffer> {
  const { rows, columns, weights } = problem;
  const scores = workspace.out(weights.byteLength);
  const put = (vector: Float32Array) => workspace.put(Float32Array.from(vector));
  score.compute(workspace.kernels, {
    weights: workspace.put(weights),
    scores,
    rows,
    columns,
    columnVectors: vectors.columns.map(put),
    rowVectors: vectors.rows.map(put),
    gradients: momentsOf(score, problem, options).map(put),
    options,
  });
  const result = workspace.kernels.f32(scores, weights.length).slice();
  workspace.finish();
  return result;
}

/** Where a matrix is pruned: as f32 in memory, or from a file of that dtype into another. */
export type Place = 'memory' | FloatDtype;

/** The weights as they are at the place, rounded where it holds less. */
export function at(place: Place, problem: ScoredProblem): ScoredProblem {
  if (place === 'memory') return problem;
  return { ...problem, weights: decoded(place, encoded(place, problem.weights)) };
}

function encoded(dtype: FloatDtype, weights: Float32Array<ArrayBuffer>): Uint8Array {
  const bytes = workspace.out(weights.length * bytesPerElement(dtype));
  encode(workspace.kernels, dtype, workspace.put(weights), bytes, weights.length);
  const result = workspace.kernels.u8(bytes, weights.length * bytesPerElement(dtype)).slice();
  workspace.finish();
  return result;
}

function decoded(dtype: FloatDtype, bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const length = bytes.length / bytesPerElement(dtype);
  const weights = workspace.out(length * 4);
  decode(workspace.kernels, dtype, workspace.put(Uint8Array.from(bytes)), weights, length);
  const result = workspace.kernels.f32(weights, length).slice();
  workspace.finish();
  return result;
}

/** What lies around a matrix in its files. */
const MARGIN = { before: 12, after: 20 };
const MARK = 0xa5;

const momentsFolder = mkdtempSync(join(tmpdir(), 'secateur-moments-'));
afterAll(() => rmSync(momentsFolder, { recursive: true }));

/** Overwrites the one file of its index, which workers keep open. */
function fileMoment(moment: Float32Array<ArrayBuffer>, index: number): FiledMatrix {
  const path = join(momentsFolder, `${index}`);
  writeFileSync(path, Buffer.concat([Buffer.alloc(MARGIN.before), Buffer.from(moment.buffer)]));
  return { path, offset: MARGIN.before };
}

/** The weights after pruning in worker threads. In files, the bytes around them must stay, and the source as it was. */
export async function pruned(
  pool: WorkerPool,
  score: Score,
  problem: ScoredProblem,
  pattern: Pattern,
  place: Place = 'memory',
  options: unknown = scoreOptions,
): Promise<Float32Array<ArrayBuffer>> {
  const { rows, columns, weights, columnNorms } = problem;
  const gradients = momentsOf(score, problem, options).map(fileMoment);
  const matrix = { name: 'layer.w', columnNorms, pattern, gradients };
  if (place === 'memory') {
    const ref = nativeTensor(weights, [rows, columns]);
    const zeros = await pruneByScore(pool, score, { ...matrix, weights: ref }, { options });
    const result = Float32Array.from(float32View(ref.address, weights.length));
    expect(zeros).toBe(result.filter((value) => value === 0).length);
    return result;
  }
  const folder = mkdtempSync(join(tmpdir(), 'secateur-rows-'));
  try {
    const bytes = encoded(place, weights);
    const end = MARGIN.before + bytes.length;
    const blank = new Uint8Array(end + MARGIN.after).fill(MARK);
    const before = blank.slice();
    before.set(bytes, MARGIN.before);
    const [from, to] = [join(folder, 'from'), join(folder, 'to')];
    writeFileSync(from, before);
    writeFileSync(to, blank);
    const offset = MARGIN.before;
    const source = { name: 'layer.w.weight', file: from, offset, dtype: place, shape: [rows, columns] };
    const stored = { ...matrix, weights: { source, target: { file: to, offset, dtype: place } } };
    const zeros = await pruneByScore(pool, score, stored, { options });
    const after = new Uint8Array(readFileSync(to));
    expect(Buffer.compare(readFileSync(from), before)).toBe(0);
    expect(after.length).toBe(blank.length);
    expect([...after.slice(0, offset), ...after.slice(end)].every((byte) => byte === MARK)).toBe(true);
    const result = decoded(place, after.slice(offset, end));
    expect(zeros).toBe(result.filter((value) => value === 0).length);
    return result;
  } finally {
    rmSync(folder, { recursive: true });
  }
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

const places: Place[] = ['memory', 'F32', 'BF16', 'F16'];
/** For options, which change what is made of weights, not how they are read. */
const fewPlaces: Place[] = ['memory', 'BF16'];

/**
 * @param own options in the place of those that all scores have here
 * @param pools of 1 worker and of others
 */
export function describeScore(
  score: Score,
  own: Readonly<Record<string, unknown>>,
  pools: readonly [WorkerPool, ...WorkerPool[]],
): void {
  const [pool] = pools;
  const options = { ...scoreOptions, ...own };
  const isDefault = Object.keys(own).length === 0;
  const expectSorted = async (
    problem: ScoredProblem,
    pattern: Pattern,
    place: Place,
    scores = scoresOf(score, problem, options),
  ) => {
    const expected = prunedBySorting(problem, scores, pattern, score.comparisonGroup);
    expectSameBits(await pruned(pool, score, problem, pattern, place, options), expected);
  };

  describe([score.name, ...Object.values(own)].join(' '), () => {
    it('is finite and never negative, and clears the sign of zero', () => {
      for (const value of scoresOf(score, randomProblem(13, 27), options)) {
        expect(Number.isFinite(value) && value >= 0 && !Object.is(value, -0)).toBe(true);
      }
    });

    it('gives a row the same scores whatever rows are computed with it', () => {
      const problem = randomProblem(9, 33);
      const whole = scoresOf(score, problem, options);
      const vectors = vectorsOf(score, problem, options);
      for (let r = 0; r < 9; r++) {
        const row = (matrix: Float32Array<ArrayBuffer>) => matrix.slice(r * 33, (r + 1) * 33);
        const { weights, gradients } = problem;
        const ownVectors = { ...vectors, rows: vectors.rows.map((vector) => vector.slice(r, r + 1)) };
        const moments = {
          mean: row(gradients.mean),
          'root mean square': row(gradients['root mean square']),
        };
        const one = { ...problem, rows: 1, weights: row(weights), gradients: moments };
        const scores = scoresOf(score, one, options, ownVectors);
        expectSameBits(scores, whole.slice(r * 33, (r + 1) * 33));
      }
    });

    describe.each(isDefault ? places : fewPlaces)('in %s', (place) => {
      it.each(patterns)(
        'zeroes exactly the smallest scores of every group and no other bit: %o',
        async (pattern) => {
          for (const [rows, columns] of [
            [1, 40],
            [7, 120],
            [50, 80],
          ] as const) {
            const problem = at(place, randomProblem(rows, columns));
            await expectSorted(problem, pattern, place);
          }
        },
      );

      it.each(patterns)('prunes the first of equal weights: %o', async (pattern) => {
        for (const value of [1, -3, 0, -0]) {
          const problem = { ...randomProblem(6, 40), weights: new Float32Array(240).fill(value) };
          const same = new Float32Array(240).fill(2);
          const gradients = { mean: same, 'root mean square': same };
          const constant = { ...problem, columnNorms: new Float32Array(40).fill(2), gradients };
          await expectSorted(constant, pattern, place, new Float32Array(240));
        }
      });

      it.each(patterns)('keeps its counts when all inputs were zero: %o', async (pattern) => {
        const problem = { ...at(place, randomProblem(8, 40)), columnNorms: new Float32Array(40) };
        await expectSorted(problem, pattern, place);
      });

      // Large enough for several tasks, which takes its time.
      if (isDefault && (place === 'memory' || (place === 'BF16' && score.statistics === 'none'))) {
        it('gives the same bits with any number of workers', async () => {
          const problem = at(place, largeProblem());
          for (const pattern of [unstructured(0.37), { kind: 'n:m', keep: 2, of: 4 } as const]) {
            const first = await pruned(pool, score, problem, pattern, place, options);
            for (const other of pools.slice(1))
              expectSameBits(await pruned(other, score, problem, pattern, place, options), first);
          }
        });
      }

      // In memory a score sees only what it is made of.
      if (place === 'memory' && score === gradient && options.taylor === 'none') return;
      it.each([Number.NaN, Number.POSITIVE_INFINITY])(
        'stops at a weight that is %d, by the name of its layer',
        async (bad) => {
          for (const pattern of [unstructured(0.5), { kind: 'n:m', keep: 2, of: 4 } as const]) {
            const problem = randomProblem(5, 40);
            problem.weights[171] = bad;
            const attempt = pruned(pool, score, problem, pattern, place, options);
            await expect(attempt).rejects.toThrow(RunError);
            // What is stored can be named by its place in the file.
            await expect(attempt).rejects.toThrow(
              place === 'memory'
                ? /layer\.w.*isn't finite, first at index \d+$/
                : `from: tensor layer.w.weight holds ${bad} at index 171`,
            );
          }
        },
      );
    });

    if ((score.gradients?.(options) ?? []).length > 0) {
      it('refuses to run without its moments of gradients', async () => {
        const { weights, columnNorms } = randomProblem(4, 8);
        const ref = nativeTensor(weights, [4, 8]);
        const matrix = { name: 'layer.w', weights: ref, columnNorms, pattern: unstructured(0.5) };
        await expect(pruneByScore(pool, score, matrix, { options })).rejects.toThrow('layer.w');
      });
    }

    if (score.statistics === 'column norms') {
      it('refuses to run without column norms, or with too few', async () => {
        const { weights } = randomProblem(4, 8);
        for (const columnNorms of [undefined, new Float32Array(7)]) {
          const ref = nativeTensor(weights, [4, 8]);
          const matrix = { name: 'layer.w', weights: ref, columnNorms, pattern: unstructured(0.5) };
          await expect(pruneByScore(pool, score, matrix, { options })).rejects.toThrow('layer.w');
          expectSameBits(Float32Array.from(float32View(ref.address, 32)), weights);
        }
      });
    }
  });
}
