/**
 * Prunes a matrix by a score, in memory or from file to file: the weights with the smallest scores go, the others stay
 * as they are.
 * @module
 */
import { bytesPerElement } from '../forward/float-storage.js';
import type { StoredFloatTensor } from '../forward/stored-tensor.js';
import { partsOf } from '../runtime/parts.js';
import type { TensorRef } from '../runtime/tensor-ref.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import type { Score } from '../scores/score.js';
import { checkPattern, type Pattern, zeroCount } from './pattern.js';
import {
  HISTOGRAM_BINS,
  type Histogram,
  maskBelow,
  maskRows,
  type ScoredRows,
  scoreHistogram,
  type ThresholdArguments,
} from './score-mask-task.js';
import type { RowsPlace } from './weight-rows.js';

/** Elements of one task, which has counts of its own where the cut is found by a histogram. */
export const TASK_ELEMENTS = 1_048_576;

/** A matrix that is pruned on its way from one file into another. */
export interface StoredMatrix {
  /** [out, in] */
  readonly source: StoredFloatTensor;
  /** Where the pruned weights go, of the same dtype; offset in bytes. */
  readonly target: { readonly path: string; readonly offset: number };
  /** Told whenever so many more bytes have been written. */
  readonly onWritten?: ((bytes: number) => void) | undefined;
}

export interface ScoredMatrix {
  /** Of the linear, for messages. */
  readonly name: string;
  /** [out, in]; f32 in memory, pruned in place, or stored in a file. */
  readonly weights: TensorRef | StoredMatrix;
  /** ‖X_j‖₂, [in]; required by scores that ask for it. */
  readonly columnNorms: Float32Array | undefined;
  readonly pattern: Pattern;
}

/**
 * Zeroes exactly ⌊count · sparsity⌋ weights of every comparison group of the score (the matrix, or each row),
 * or M − N of every M consecutive inputs. Ties go by index, lowest first.
 *
 * @returns the weights that are zero then
 * @throws RequestError when M doesn't divide the input size
 * @throws RunError naming the linear when a score isn't finite, the file when a stored weight isn't
 */
export async function pruneByScore(pool: WorkerPool, score: Score, matrix: ScoredMatrix): Promise<number> {
  const { pattern } = matrix;
  const [rows, columns] = shapeOf(matrix);
  checkPattern(pattern, matrix.name, columns);
  if (score.statistics === 'column norms' && matrix.columnNorms?.length !== columns) {
    throw new Error(`${matrix.name}: ${score.name} needs ${columns} column norms`);
  }
  const parts = splitRows(score, matrix);
  const onDone = (index: number) => tellWritten(matrix, parts[index]?.rows ?? 0);
  if (pattern.kind === 'n:m' || score.comparisonGroup === 'row') {
    const choice =
      pattern.kind === 'n:m'
        ? { keep: pattern.keep, of: pattern.of }
        : { zeros: zeroCount(columns, pattern.sparsity) };
    const tasks = parts.map((part) => ({ ...part, choice }));
    return sum(await pool.map('sparsity/score-mask-task', maskRows, tasks, onDone));
  }
  const tasks = await thresholds(pool, parts, zeroCount(rows * columns, pattern.sparsity));
  return sum(await pool.map('sparsity/score-mask-task', maskBelow, tasks, onDone));
}

function shapeOf({ weights }: ScoredMatrix): [rows: number, columns: number] {
  const [rows = 0, columns = 0] = 'address' in weights ? weights.shape : weights.source.shape;
  return [rows, columns];
}

function tellWritten({ weights }: ScoredMatrix, rows: number): void {
  if ('address' in weights) return;
  const { source, onWritten } = weights;
  onWritten?.(rows * (source.shape[1] ?? 0) * bytesPerElement(source.dtype));
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

function splitRows(score: Score, matrix: ScoredMatrix): ScoredRows[] {
  const { name, columnNorms } = matrix;
  const [rows, columns] = shapeOf(matrix);
  const step = Math.max(1, Math.floor(TASK_ELEMENTS / columns));
  return partsOf(rows, step).map(({ first, count }) => ({
    score: score.name,
    name,
    place: placeOf(matrix, first * columns),
    rows: count,
    columns,
    columnNorms,
  }));
}

/** The matrix from an element on. */
function placeOf({ weights }: ScoredMatrix, firstIndex: number): RowsPlace {
  if ('address' in weights) return { address: weights.address + BigInt(firstIndex * 4) };
  const { source, target } = weights;
  const bytes = firstIndex * bytesPerElement(source.dtype);
  return {
    tensor: source.name,
    dtype: source.dtype,
    source: { path: source.path, offset: source.offset + bytes },
    target: { path: target.path, offset: target.offset + bytes },
    firstIndex,
  };
}

/** Exact selection over a matrix of any size: the score's bits in two halves. */
async function thresholds(
  pool: WorkerPool,
  parts: readonly ScoredRows[],
  zeros: number,
): Promise<ThresholdArguments[]> {
  if (zeros === 0) return parts.map((part) => ({ ...part, threshold: 0, ties: 0 }));
  const histograms = (list: readonly (ScoredRows & { readonly high?: number })[]) =>
    pool.map('sparsity/score-mask-task', scoreHistogram, list);
  const highs = await histograms(parts);
  const high = findBin(highs, zeros);
  const lowsMatter = highs.some(({ usesLowBits }) => usesLowBits);
  const lows = lowsMatter ? await histograms(parts.map((part) => ({ ...part, high: high.bin }))) : undefined;
  const low = lows ? findBin(lows, zeros - high.below) : { bin: 0, below: 0 };
  let ties = zeros - high.below - low.below;
  return parts.map((part, index) => {
    const onThreshold = lows ? countIn(lows[index], low.bin) : countIn(highs[index], high.bin);
    const taken = Math.min(ties, onThreshold);
    ties -= taken;
    return { ...part, threshold: high.bin * HISTOGRAM_BINS + low.bin, ties: taken };
  });
}

function countIn(histogram: Histogram | undefined, bin: number): number {
  return histogram?.counts[bin - histogram.first] ?? 0;
}

/** The bin that holds the `count`-th smallest of all histograms together, and how many lie below it. */
function findBin(histograms: readonly Histogram[], count: number): { bin: number; below: number } {
  const total = new Float64Array(HISTOGRAM_BINS);
  for (const { first, counts } of histograms) {
    for (let i = 0; i < counts.length; i++)
      total[first + i] = (total[first + i] as number) + (counts[i] as number);
  }
  let below = 0;
  for (let bin = 0; bin < HISTOGRAM_BINS; bin++) {
    const next = below + (total[bin] as number);
    if (next >= count) return { bin, below };
    below = next;
  }
  throw new Error(`only ${below} scores for ${count} zeros`);
}
