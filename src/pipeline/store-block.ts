/**
 * Writes the tensors of a run's output.
 * @module
 */
import type { CheckpointWriter } from '../checkpoint/checkpoint-writer.js';
import { bytesPerElement } from '../forward/float-storage.js';
import type { Locate } from '../forward/model-stream.js';
import { copyBytes, storeElements } from '../forward/store-task.js';
import { isFloatDtype } from '../forward/stored-tensor.js';
import { type BlockDescription, weightName } from '../model/description.js';
import { partsOf } from '../runtime/parts.js';
import type { TensorRef } from '../runtime/tensor-ref.js';
import { settle, type WorkerPool } from '../runtime/worker-pool.js';
import type { LayerPlan } from './layer-plan.js';
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
  writer: CheckpointWriter,
  name: string,
  weights: TensorRef,
): Promise<number> {
  const { path, offset, dtype } = writtenBy(writer)(name);
  const [rows = 0, columns = 0] = weights.shape;
  const parts = partsOf(rows * columns, TASK_ELEMENTS).map(({ first, count }) => ({
    name,
    source: weights.address + BigInt(first * 4),
    elements: count,
    firstIndex: first,
    dtype,
    path,
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

/** Copies tensors as they are. Those that are already complete are left alone. */
async function copyTensors(
  pool: WorkerPool,
  writer: CheckpointWriter,
  tensors: readonly StoredBytes[],
): Promise<void> {
  await settle(
    tensors.map(async ({ name, path, offset, bytes }) => {
      if (writer.isComplete(name)) return;
      const to = writer.locate(name);
      const parts = partsOf(bytes, COPY_BYTES).map(({ first, count }) => ({
        from: { path, offset: offset + first },
        to: { path: to.path, offset: to.offset + first },
        bytes: count,
      }));
      const onDone = (index: number) => writer.wrote(name, parts[index]?.bytes ?? 0);
      await pool.map('forward/store-task', copyBytes, parts, onDone);
      await writer.complete(name);
    }),
  );
}

/** What of a run writes tensors. */
export interface BlockStore {
  readonly run: PreparedRun;
  readonly pool: WorkerPool;
  readonly writer: CheckpointWriter;
}

/** Copies the tensors that belong to no block. */
export async function copyOutsideBlocks({ run, pool, writer }: BlockStore): Promise<void> {
  const inBlocks = new Set(
    run.model.blocks.flatMap((block) => block.tensors.map(({ name }) => block.prefix + name)),
  );
  const rest = [...run.checkpoint.tensors.values()].filter(({ name }) => !inBlocks.has(name));
  await copyTensors(pool, writer, rest);
}

/** Copies the tensors of a block that aren't pruned. */
export async function copyUnpruned(
  { run, pool, writer }: BlockStore,
  block: BlockDescription,
  layers: readonly LayerPlan[],
): Promise<void> {
  const pruned = new Set(
    layers.filter(({ pattern }) => pattern !== 'dense').map(({ linear }) => weightName(block, linear)),
  );
  const names = block.tensors.map(({ name }) => block.prefix + name).filter((name) => !pruned.has(name));
  await copyTensors(
    pool,
    writer,
    names.flatMap((name) => run.checkpoint.tensors.get(name) ?? []),
  );
}

/** Tensors as they lie in the output so far. */
export function writtenBy(writer: CheckpointWriter): Locate {
  return (name) => {
    const { path, offset, dtype, shape } = writer.locate(name);
    if (!isFloatDtype(dtype)) throw new Error(`${name} is stored as ${dtype}`);
    return { name, path, offset, dtype, shape };
  };
}
