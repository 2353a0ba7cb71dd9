/**
 * How many of some linears' weights stand out.
 * @module
 */
import type { WorkerPool } from '../runtime/worker-pool.js';
import { type DenseMatrix, storedParts } from '../sparsity/stored-parts.js';
import { countAbove, scoreSums } from './score-sums-task.js';

const TASKS = 'statistics/score-sums-task';

/**
 * The share of weights with |w_ij|·‖X_j‖₂ above `factor` times its mean, over all linears together (Yin et al. 2024,
 * arXiv 2310.05175).
 *
 * @param linears weights [out, in], columnNorms [in]
 */
export async function outlierRatio(
  pool: WorkerPool,
  linears: readonly (DenseMatrix & { readonly columnNorms: Float32Array })[],
  factor: number,
): Promise<number> {
  const parts = linears.flatMap((linear) => storedParts(linear, 'wanda', linear.columnNorms));
  const add = (list: readonly number[]) => list.reduce((sum, value) => sum + value, 0);
  const elements = add(parts.map(({ rows, columns }) => rows * columns));
  const sums = await pool.map(TASKS, scoreSums, parts);
  const threshold = (factor * add(sums.map(({ sum }) => sum))) / elements;
  const counts = await pool.map(
    TASKS,
    countAbove,
    parts.map((part) => ({ ...part, threshold })),
  );
  return add(counts) / elements;
}
