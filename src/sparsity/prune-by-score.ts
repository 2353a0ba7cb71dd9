/**
 * Prunes a matrix by a score: the weights with the smallest scores go, the others stay as they are.
 * @module
 */
import type { TensorRef } from '../runtime/tensor-ref.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import type { Score } from '../scores/score.js';
import { checkPattern, type Pattern, zeroCount } from './pattern.js';
import { HISTOGRAM_BINS, maskBelow, maskRows, type ScoredRows, scoreHistogram } from './score-mask-task.js';

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
  const highs = await pool.map('sparsity/score-mask-task', scoreHistogram, parts);
  const high = findBin(sumHistograms(highs), zeros);
  const lows = await pool.map(
    'sparsity/score-mask-task',
    scoreHistogram,
    parts.map((part) => ({ ...part, high: high.bin })),
  );
  const low = findBin(sumHistograms(lows), zeros - high.below);
  let ties = zeros - high.below - low.below;
  const tasks = parts.map((part, index) => {
    const onThreshold = lows[index]?.[low.bin] ?? 0;
    const taken = Math.min(ties, onThreshold);
    ties -= taken;
    return { ...part, threshold: high.bin * HISTOGRAM_BINS + low.bin, ties: taken };
  });
  await pool.map('sparsity/score-mask-task', maskBelow, tasks);
}

function sumHistograms(histograms: readonly Uint32Array[]): Float64Array {
  const total = new Float64Array(HISTOGRAM_BINS);
  for (const histogram of histograms) {
    for (let bin = 0; bin < HISTOGRAM_BINS; bin++)
      total[bin] = (total[bin] as number) + (histogram[bin] as number);
  }
  return total;
}

/** The bin that holds the `count`-th smallest, and how many lie below it. */
function findBin(histogram: Float64Array, count: number): { bin: number; below: number } {
  let below = 0;
  for (let bin = 0; bin < histogram.length; bin++) {
    const next = below + (histogram[bin] as number);
    if (next >= count) return { bin, below };
    below = next;
  }
  throw new Error(`only ${below} scores for ${count} zeros`);
}
