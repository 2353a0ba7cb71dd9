/**
 * How many of some linears' weights stand out.
 * @module
 */
import { partsOf, rowsWithin } from '../runtime/parts.js';
import type { TensorRef } from '../runtime/tensor-ref.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import { countAbove, sumOfProducts } from './outlier-ratio-task.js';

/** Elements of one task. */
const TASK_ELEMENTS = 4_194_304;

const TASKS = 'statistics/outlier-ratio-task';

/**
 * The share of weights with |w_ij|·‖X_j‖₂ above `factor` times its mean, over all linears together (Yin et al. 2024,
 * arXiv 2310.05175).
 *
 * @param linears weights [out, in] f32, columnNorms [in]
 */
export async function outlierRatio(
  pool: WorkerPool,
  linears: readonly { readonly weights: TensorRef; readonly columnNorms: Float32Array }[],
  factor: number,
): Promise<number> {
  const tasks = linears.flatMap(({ weights, columnNorms }) => {
    const [rows = 0, columns = 0] = weights.shape;
    return partsOf(rows, rowsWithin(TASK_ELEMENTS, columns)).map(({ first, count }) => ({
      address: weights.address + BigInt(first * columns * 4),
      rows: count,
      columns,
      columnNorms,
    }));
  });
  const add = (list: readonly number[]) => list.reduce((sum, value) => sum + value, 0);
  const elements = add(tasks.map(({ rows, columns }) => rows * columns));
  const threshold = (factor * add(await pool.map(TASKS, sumOfProducts, tasks))) / elements;
  const counts = await pool.map(
    TASKS,
    countAbove,
    tasks.map((task) => ({ ...task, threshold })),
  );
  return add(counts) / elements;
}
