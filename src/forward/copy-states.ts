/**
 * Copying the states of windows from one file into another.
 * @module
 */
import type { WorkerPool } from '../runtime/worker-pool.js';
import type { StateRecords } from './hidden-states.js';
import { copyBytes } from './store-task.js';

/**
 * Copies the beginnings of some windows, as many tokens as `into` has, to its first records, in their order.
 *
 * @param windows of `from`
 */
export async function copyStates(
  pool: WorkerPool,
  from: StateRecords,
  windows: readonly number[],
  into: StateRecords,
  hiddenSize: number,
): Promise<void> {
  const tasks = windows.map((window, index) => ({
    from: { path: from.path, offset: from.offset(window) },
    to: { path: into.path, offset: into.offset(index) },
    bytes: into.tokens * hiddenSize * 4,
  }));
  await pool.map('forward/store-task', copyBytes, tasks);
}
