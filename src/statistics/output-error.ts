/**
 * Relative output error of a pruned linear.
 * @module
 */
import type { StoredFloatTensor } from '../forward/stored-tensor.js';
import { partsOf } from '../runtime/parts.js';
import type { TensorRef } from '../runtime/tensor-ref.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import { gramStripWidth } from './gram-layout.js';
import type { GramRef } from './group-statistics.js';
import { outputNorms } from './output-error-task.js';

/** Rows of one task. */
const TASK_ROWS = 512;

/** f32 bytes of a task's buffers, for rows of that many columns: the rows, their transpose and a strip of products. */
export function outputErrorBytes(columns: number): number {
  return TASK_ROWS * (2 * columns + gramStripWidth(columns)) * 4;
}

/**
 * ‖(W−Ŵ)X‖² / ‖WX‖² over the activations that the Gram matrix sums over; 0 when nothing changed.
 *
 * @param dense W as stored in the source, or f32 in native memory
 * @param pruned Ŵ in f32, as written
 */
export async function outputError(
  pool: WorkerPool,
  dense: StoredFloatTensor | TensorRef,
  pruned: TensorRef,
  gram: GramRef,
): Promise<number> {
  const [rows = 0, columns = 0] = pruned.shape;
  const parts = partsOf(rows, TASK_ROWS).map(({ first, count }) => ({
    dense,
    firstRow: first,
    rows: count,
    columns,
    pruned: pruned.address + BigInt(first * columns * 4),
    gram,
  }));
  let error = 0;
  let reference = 0;
  for (const norms of await pool.map('statistics/output-error-task', outputNorms, parts)) {
    error += norms.error;
    reference += norms.reference;
  }
  return error === 0 ? 0 : Math.max(0, error / reference);
}
