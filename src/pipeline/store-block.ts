/**
 * Writes a finished block.
 * @module
 */
import type { CheckpointWriter } from '../checkpoint/checkpoint-writer.js';
import { bytesPerElement } from '../forward/float-storage.js';
import { copyBytes, storeElements } from '../forward/store-task.js';
import { isFloatDtype } from '../forward/stored-tensor.js';
import type { TensorRef } from '../runtime/tensor-ref.js';
import { settle, type WorkerPool } from '../runtime/worker-pool.js';

/** Elements of one task. */
const TASK_ELEMENTS = 4_194_304;

/**
 * Rounds a matrix to its stored dtype, in memory and in its shard.
 *
 * @returns zeros in what was written
 */
export async function storeTensor(
  pool: WorkerPool,
  writer: CheckpointWriter,
  name: string,
  weights: TensorRef,
): Promise<number> {
  const { path, offset, dtype } = writer.locate(name);
  if (!isFloatDtype(dtype)) throw new Error(`${name} is stored as ${dtype}`);
  const [rows = 0, columns = 0] = weights.shape;
  const parts = [];
  for (let first = 0; first < rows * columns; first += TASK_ELEMENTS) {
    parts.push({
      name,
      source: weights.address + BigInt(first * 4),
      elements: Math.min(TASK_ELEMENTS, rows * columns - first),
      firstIndex: first,
      dtype,
      path,
      offset: offset + first * bytesPerElement(dtype),
    });
  }
  const zeros = await pool.map('forward/store-task', storeElements, parts);
  await writer.complete(name);
  return zeros.reduce((sum, count) => sum + count, 0);
}

interface StoredBytes {
  readonly name: string;
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
}

/** Copies tensors as they are. Those that are already complete are left alone. */
export async function copyTensors(
  pool: WorkerPool,
  writer: CheckpointWriter,
  tensors: readonly StoredBytes[],
): Promise<void> {
  await settle(
    tensors.map(async ({ name, path, offset, bytes }) => {
      if (writer.isComplete(name)) return;
      const to = writer.locate(name);
      await pool.run('forward/store-task', copyBytes, { from: { path, offset }, to, bytes });
      await writer.complete(name);
    }),
  );
}
