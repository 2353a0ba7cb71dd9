/**
 * Prunes a matrix by a score, in memory or from file to file: the weights with the smallest scores go, the others stay
 * as they are.
 * @module
 */
import { bytesPerElement } from '../forward/float-storage.js';
import type { StoredFloatTensor } from '../forward/stored-tensor.js';
import type { FloatDtype } from '../model/check-tensors.js';
import { partsOf, rowsWithin } from '../runtime/parts.js';
import type { TensorFile } from '../runtime/tensor-file.js';
import type { TensorRef } from '../runtime/tensor-ref.js';
import { BAND_ELEMENTS, isTransposed } from '../runtime/view-bands.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import type { Score } from '../scores/score.js';
import type { FiledMatrix } from '../statistics/gradient-moments.js';
import { type Cut, findCuts } from './find-cuts.js';
import { checkPattern, type Pattern, zeroCount } from './pattern.js';
import { absoluteSums, HISTOGRAM_BINS, maskBelow, maskRows, type ScoredRows } from './score-mask-task.js';
import type { RowsPlace } from './weight-rows.js';

/** Elements of one task, which has counts of its own where the cut is found by a histogram. */
export const TASK_ELEMENTS = 1_048_576;

/** Rows of a matrix that a task scores. @param file where it is stored, if it isn't in memory */
export function scoredTogether(columns: number, file: TensorFile = ''): number {
  return rowsWithin(isTransposed(file) ? BAND_ELEMENTS : TASK_ELEMENTS, columns);
}

/** Bytes of the counts by which the cut over a matrix of so many f32 is found: of high and low bits, for every task. */
export function histogramBytes(elements: number): number {
  return Math.ceil(elements / TASK_ELEMENTS) * 2 * HISTOGRAM_BINS * 4;
}

/** A matrix that is pruned on its way from one file into another. */
export interface StoredMatrix {
  /** [out, in] */
  readonly source: StoredFloatTensor;
  /** Where the pruned weights go; offset in bytes. */
  readonly target: { readonly file: TensorFile; readonly offset: number; readonly dtype: FloatDtype };
  /** Told whenever so many more weights have been written. */
  readonly onWritten?: ((weights: number) => void) | undefined;
}

export interface ScoredMatrix {
  /** Of the linear, for messages. */
  readonly name: string;
  /** [out, in]; f32 in memory, pruned in place, or stored in a file. */
  readonly weights: TensorRef | StoredMatrix;
  /** ‖X_j‖₂, [in]; required by scores that ask for it. */
  readonly columnNorms: Float32Array | undefined;
  /** Tokens of the windows that the norms are over, with those that go to other experts; 1 when left out. */
  readonly tokens?: number | undefined;
  /** Tokens of each window that gradients were taken over; 1 when left out. */
  readonly gradientTokens?: number | undefined;
  /** The moments of gradients that the score asks for, in its order, each [out, in]. */
  readonly gradients?: readonly FiledMatrix[] | undefined;
  readonly pattern: Pattern;
  /** Whether weights that are zero are part of every mask, whatever their score. */
  readonly keepZeros?: boolean | undefined;
}

export interface ScoreChoices {
  /** The score's, as its method's schema puts them out. */
  readonly options?: unknown;
  /** In the place of the score's own. */
  readonly comparisonGroup?: Score['comparisonGroup'];
}

/**
 * Zeroes exactly ⌊count · sparsity⌋ weights of every comparison group of the score (the matrix, or each row),
 * or M − N of every M consecutive inputs. Ties go by index, lowest first. With `keepZeros` the weights that are zero go
 * first; where they are more, nothing else goes.
 *
 * @returns the weights that are zero then
 * @throws RequestError when M doesn't divide the input size
 * @throws RunError naming the linear when a score isn't finite, the file when a stored weight isn't
 */
export async function pruneByScore(
  pool: WorkerPool,
  score: Score,
  matrix: ScoredMatrix,
  { options = {}, comparisonGroup = score.comparisonGroup }: ScoreChoices = {},
): Promise<number> {
  const { pattern } = matrix;
  const [rows, columns] = shapeOf(matrix);
  checkPattern(pattern, matrix.name, columns);
  if (score.statistics === 'column norms' && matrix.columnNorms?.length !== columns) {
    throw new Error(`${matrix.name}: ${score.name} needs ${columns} column norms`);
  }
  const moments = score.gradients?.(options) ?? [];
  if ((matrix.gradients ?? []).length !== moments.length) {
    throw new Error(`${matrix.name}: ${score.name} needs ${moments.length} moments of gradients`);
  }
  const parts = await scoredRows(pool, score, matrix, options);
  const onDone = (index: number) => tellWritten(matrix, parts[index]?.rows ?? 0);
  if (pattern.kind === 'n:m' || comparisonGroup === 'row') {
    const choice =
      pattern.kind === 'n:m'
        ? { keep: pattern.keep, of: pattern.of }
        : { zeros: zeroCount(columns, pattern.sparsity) };
    const tasks = parts.map((part) => ({ ...part, choice }));
    return sum(await pool.map('sparsity/score-mask-task', maskRows, tasks, onDone));
  }
  const cuts = await findCuts(pool, parts, zeroCount(rows * columns, pattern.sparsity));
  const tasks = parts.map((part, index) => ({ ...part, ...(cuts[index] as Cut) }));
  return sum(await pool.map('sparsity/score-mask-task', maskBelow, tasks, onDone));
}

function shapeOf({ weights }: ScoredMatrix): [rows: number, columns: number] {
  const [rows = 0, columns = 0] = 'address' in weights ? weights.shape : weights.source.shape;
  return [rows, columns];
}

function tellWritten({ weights }: ScoredMatrix, rows: number): void {
  if ('address' in weights) return;
  const { source, onWritten } = weights;
  onWritten?.(rows * (source.shape[1] ?? 0));
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

/** The parts of a matrix, with what their scores are computed with. */
async function scoredRows(
  pool: WorkerPool,
  score: Score,
  matrix: ScoredMatrix,
  options: unknown,
): Promise<ScoredRows[]> {
  const { name, columnNorms = new Float32Array(), tokens = 1, gradientTokens = 1, gradients = [] } = matrix;
  const [rows, columns] = shapeOf(matrix);
  const { weights } = matrix;
  const step = scoredTogether(columns, 'address' in weights ? undefined : weights.source.file);
  const parts = partsOf(rows, step).map(({ first, count }) => ({
    name,
    place: placeOf(matrix, first * columns),
    rows: count,
    columns,
    first,
  }));
  const sums = score.absoluteSums ? await pool.map('sparsity/score-mask-task', absoluteSums, parts) : [];
  const rowSums = new Float64Array(rows);
  const columnSums = new Float64Array(columns);
  for (const [index, part] of sums.entries()) {
    rowSums.set(part.rows, parts[index]?.first);
    for (let j = 0; j < columns; j++) columnSums[j] = (columnSums[j] as number) + (part.columns[j] as number);
  }
  const vectors = score.vectors({ columnNorms, tokens, gradientTokens, rowSums, columnSums }, options);
  return parts.map((part) => ({
    ...part,
    score: score.name,
    options,
    goFirst: matrix.keepZeros ? ('zeros' as const) : undefined,
    gradients: gradients.map(({ path, offset }) => ({ path, offset: offset + part.first * columns * 4 })),
    vectors: {
      columns: vectors.columns,
      rows: vectors.rows.map((vector) => vector.slice(part.first, part.first + part.rows)),
    },
  }));
}

/** The matrix from an element on. */
function placeOf({ weights }: ScoredMatrix, firstIndex: number): RowsPlace {
  if ('address' in weights) return { address: weights.address + BigInt(firstIndex * 4) };
  const { source, target } = weights;
  const from = ({ file, offset, dtype }: StoredMatrix['target']) => ({
    file,
    offset: offset + firstIndex * bytesPerElement(dtype),
    dtype,
  });
  return { tensor: source.name, source: from(source), target: from(target), firstIndex };
}
