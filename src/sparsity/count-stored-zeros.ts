/**
 * Zeros and pattern violations of tensors as they lie in their files.
 * @module
 */
import { bytesPerElement } from '../forward/float-storage.js';
import type { StoredFloatTensor } from '../forward/stored-tensor.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import { countStoredZeros, type ZeroCount } from './count-zeros-task.js';
import type { Pattern } from './pattern.js';

/** Elements of one task. */
const TASK_ELEMENTS = 4_194_304;

/** Counts in a tensor of any rank: the last axis is the columns, all others are rows. */
export async function countZeros(
  pool: WorkerPool,
  tensor: StoredFloatTensor,
  pattern: Pattern | undefined,
): Promise<ZeroCount> {
  const columns = tensor.shape.at(-1) ?? 1;
  const rows = tensor.shape.slice(0, -1).reduce((product, size) => product * size, 1);
  const elementBytes = bytesPerElement(tensor.dtype);
  const step = Math.max(1, Math.floor(TASK_ELEMENTS / Math.max(1, columns)));
  const group = pattern?.kind === 'n:m' ? { keep: pattern.keep, of: pattern.of } : undefined;
  const parts = [];
  for (let first = 0; first < rows; first += step) {
    parts.push({
      path: tensor.path,
      offset: tensor.offset + first * columns * elementBytes,
      elementBytes,
      rows: Math.min(step, rows - first),
      columns,
      group,
    });
  }
  const counts = await pool.map('sparsity/count-zeros-task', countStoredZeros, parts);
  return counts.reduce(
    (sum, { zeros, violations }) => ({ zeros: sum.zeros + zeros, violations: sum.violations + violations }),
    { zeros: 0, violations: 0 },
  );
}
