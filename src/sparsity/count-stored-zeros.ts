/**
 * Zeros and pattern violations of tensors as they lie in their files.
 * @module
 */
import { bytesPerElement } from '../forward/float-storage.js';
import type { StoredFloatTensor } from '../forward/stored-tensor.js';
import { elementCount } from '../graph/value.js';
import { partsOf, rowsWithin } from '../runtime/parts.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import { countStoredZeros, type ZeroCount } from './count-zeros-task.js';
import type { Pattern } from './pattern.js';

/** Elements of one task. */
const TASK_ELEMENTS = 4_194_304;

/**
 * Zeros, and groups of consecutive elements of the last axis that break the pattern, in a tensor of any rank.
 * `pattern` must divide the last axis.
 */
export async function countZeros(
  pool: WorkerPool,
  tensor: StoredFloatTensor,
  pattern: Pattern | undefined,
): Promise<ZeroCount> {
  const group = pattern?.kind === 'n:m' ? { keep: pattern.keep, of: pattern.of } : undefined;
  // One group a row, so that no task depends on how long the tensor's own rows are.
  const columns = group?.of ?? 1;
  if ((tensor.shape.at(-1) ?? 1) % columns !== 0) {
    throw new Error(`${tensor.name}: groups of ${columns} do not divide [${tensor.shape}]`);
  }
  const rows = elementCount(tensor.shape) / columns;
  const elementBytes = bytesPerElement(tensor.dtype);
  const step = rowsWithin(TASK_ELEMENTS, columns);
  const parts = partsOf(rows, step).map(({ first, count }) => ({
    file: tensor.file,
    offset: tensor.offset + first * columns * elementBytes,
    elementBytes,
    rows: count,
    columns,
    group,
  }));
  const counts = await pool.map('sparsity/count-zeros-task', countStoredZeros, parts);
  return counts.reduce(
    (sum, { zeros, violations }) => ({ zeros: sum.zeros + zeros, violations: sum.violations + violations }),
    { zeros: 0, violations: 0 },
  );
}
