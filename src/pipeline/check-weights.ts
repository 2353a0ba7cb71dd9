/**
 * Reads every weight once before anything is written: a checkpoint with NaN or Inf is refused, not half pruned.
 * @module
 */
import { RequestError } from '../errors.js';
import { findNonFinite } from '../forward/check-finite-task.js';
import { floatTensor } from '../forward/stored-tensor.js';
import { elementCount } from '../graph/value.js';
import { requiredTensors } from '../model/check-tensors.js';
import { filePath } from '../runtime/tensor-file.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import type { PreparedRun } from './prepare/prepare-run.js';
import type { StageClock } from './progress/stage-clock.js';

/** @throws RequestError naming the tensor and index of a weight that isn't finite */
export async function checkWeights(run: PreparedRun, pool: WorkerPool, clock: StageClock): Promise<void> {
  const tensors = requiredTensors(run.model);
  let done = 0;
  await clock.time('read', () =>
    pool.forEach(tensors, async ({ name, shape }) => {
      const { file, offset, dtype } = floatTensor(run.tensors, name);
      const elements = elementCount(shape);
      const found = await pool.run('forward/check-finite-task', findNonFinite, {
        file,
        offset,
        dtype,
        elements,
      });
      if (found)
        throw new RequestError(
          `${filePath(file)}: tensor ${name} holds ${found.value} at index ${found.index}`,
        );
      clock.step('read', 0, ++done, tensors.length);
    }),
  );
}
