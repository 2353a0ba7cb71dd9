/**
 * Writes the tensors of a run's output.
 * @module
 */
import { bytesPerElement } from '../forward/float-storage.js';
import { copyBytes, storeElements } from '../forward/store-task.js';
import { storedNames } from '../model/check-tensors.js';
import { type BlockDescription, unitsOf } from '../model/description.js';
import { partsOf } from '../runtime/parts.js';
import type { TensorRef } from '../runtime/tensor-ref.js';
import { settle, type WorkerPool } from '../runtime/worker-pool.js';
import type { ModelWriter } from './model-writer.js';
import type { PreparedRun } from './prepare-run.js';

/** Elements of one task. */
const TASK_ELEMENTS = 4_194_304;

/**
 * Rounds a matrix to its stored dtype, in memory and in its shard.
 *
 * @returns zeros in what was written
 */
export async function storeTensor(
  pool: WorkerPool,
  writer: ModelWriter,
  name: string,
  weights: TensorRef,
): Promise<number> {
  const { file, offset, dtype } = writer.locate(name);
  const [rows = 0, columns = 0] = weights.shape;
  const parts = partsOf(rows * columns, TASK_ELEMENTS).map(({ first, count }) => ({
    name,
    source: weights.address + BigInt(first * 4),
    elements: count,
    firstIndex: first,
    dtype,
    file,
    offset: offset + first * bytesPerElement(dtype),
  }));
  const zeros = await pool.map('forward/store-task', storeElements, parts);
  await writer.complete(name);
  return zeros.reduce((sum, count) => sum + count, 0);
}

/** Bytes of one task that copies: few enough that all workers share in a large tensor. */
const COPY_BYTES = 16_777_216;

interface StoredBytes {
  readonly name: string;
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
}

/** Copies tensors as they are. Those that are already complete are left alone; those of which parts are pruned aren't yet. */
async function copyTensors(
  pool: WorkerPool,
  writer: ModelWriter,
  tensors: readonly StoredBytes[],
): Promise<void> {
  const { stored } = writer;
  await settle(
    tensors.map(async ({ name, path, offset, bytes }) => {
      if (stored.isComplete(name)) return;
      const isWhole = writer.fate(name) === 'kept';
      const to = stored.locate(name);
      const parts = partsOf(bytes, COPY_BYTES).map(({ first, count }) => ({
        from: { path, offset: offset + first },
        to: { path: to.path, offset: to.offset + first },
        bytes: count,
      }));
      const onDone = (index: number) => {
        if (isWhole) stored.wrote(name, parts[index]?.bytes ?? 0);
      };
      await pool.map('forward/store-task', copyBytes, parts, onDone);
      if (isWhole) await stored.complete(name);
    }),
  );
}

/** What of a run writes tensors. */
export interface BlockStore {
  readonly run: PreparedRun;
  readonly pool: WorkerPool;
  readonly writer: ModelWriter;
}

/** Copies the tensors that belong to no block. */
export async function copyOutsideBlocks({ run, pool, writer }: BlockStore): Promise<void> {
  const inBlocks = new Set(run.model.blocks.flatMap(unitsOf).flatMap(storedNames));
  const rest = [...run.checkpoint.tensors.values()].filter(({ name }) => !inBlocks.has(name));
  await copyTensors(pool, writer, rest);
}

/** Copies the tensors of a block, or of one of its experts, of which something isn't pruned. */
export async function copyUnpruned({ run, pool, writer }: BlockStore, unit: BlockDescription): Promise<void> {
  const names = storedNames(unit).filter((name) => writer.isToCopy(name));
  await copyTensors(
    pool,
    writer,
    names.flatMap((name) => run.checkpoint.tensors.get(name) ?? []),
  );
}
