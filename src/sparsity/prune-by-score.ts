/**
 * Prunes a matrix by a score: the weights with the smallest scores go, the others stay as they are.
 * @module
 */
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
} from './score-mask-task.js';

/** Elements of one task. */
const TASK_ELEMENTS = 1_048_576;

export interface ScoredMatrix {
  /** Of the linear, for messages. */
  readonly name: string;
  /** [out, in] f32 */
  readonly weights: TensorRef;
  /** ‖X_j‖₂, [in]; required by scores that ask for it. */
  readonly columnNorms: Float32Array | undefined;
  readonly pattern: Pattern;
}

/**
 * Zeroes exactly ⌊count · sparsity⌋ weights of every comparison group of the score (the matrix, or each row),
 * or M − N of every M consecutive inputs. Ties go by index, lowest first.
 *
 * @throws RequestError when M doesn't divide the input size
 * @throws RunError naming the linear when a score isn't finite
 */
export async function pruneByScore(pool: WorkerPool, score: Score, matrix: ScoredMatrix): Promise<void> {
  const { pattern, weights } = matrix;
  const [, columns = 0] = weights.shape;
  checkPattern(pattern, matrix.name, columns);
  if (score.statistics === 'column norms' && matrix.columnNorms?.length !== columns) {
    throw new Error(`${matrix.name}: ${score.name} needs ${columns} column norms`);
  }
  const parts = splitRows(score, matrix);
  if (pattern.kind === 'n:m' || score.comparisonGroup === 'row') {
    const choice =
      pattern.kind === 'n:m'
        ? { keep: pattern.keep, of: pattern.of }
        : { zeros: zeroCount(columns, pattern.sparsity) };
    await pool.map(
      'sparsity/score-mask-task',
      maskRows,
      parts.map((part) => ({ ...part, choice })),
    );
    return;
  }
  await pruneTensor(pool, parts, zeroCount((weights.shape[0] ?? 0) * columns, pattern.sparsity));
}

function splitRows(score: Score, { name, weights, columnNorms }: ScoredMatrix): ScoredRows[] {
  const [rows = 0, columns = 0] = weights.shape;
  const step = Math.max(1, Math.floor(TASK_ELEMENTS / columns));
  const parts: ScoredRows[] = [];
  for (let first = 0; first < rows; first += step) {
    parts.push({
      score: score.name,
      name,
      address: weights.address + BigInt(first * columns * 4),
      rows: Math.min(step, rows - first),
      columns,
      columnNorms,
    });
  }
  return parts;
}

/** Exact selection over a matrix of any size: the score's bits in two halves, then one pass to apply. */
async function pruneTensor(pool: WorkerPool, parts: readonly ScoredRows[], zeros: number): Promise<void> {
  if (zeros === 0) return;
  const histograms = (list: readonly (ScoredRows & { readonly high?: number })[]) =>
    pool.map('sparsity/score-mask-task', scoreHistogram, list);
  const highs = await histograms(parts);
  const high = findBin(highs, zeros);
  const lowsMatter = highs.some(({ usesLowBits }) => usesLowBits);
  const lows = lowsMatter ? await histograms(parts.map((part) => ({ ...part, high: high.bin }))) : undefined;
  const low = lows ? findBin(lows, zeros - high.below) : { bin: 0, below: 0 };
  let ties = zeros - high.below - low.below;
  const tasks = parts.map((part, index) => {
    const onThreshold = lows ? countIn(lows[index], low.bin) : countIn(highs[index], high.bin);
    const taken = Math.min(ties, onThreshold);
    ties -= taken;
    return { ...part, threshold: high.bin * HISTOGRAM_BINS + low.bin, ties: taken };
  });
  await pool.map('sparsity/score-mask-task', maskBelow, tasks);
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
