/**
 * Writes the tensors of a run's output.
 * @module
 */

import { fitScalesTo } from '../../forward/fit-scales-task.js';
import { bytesPerElement } from '../../forward/float-storage.js';
import { convertElements, copyBytes, storeElements } from '../../forward/store-task.js';
import { floatTensor, isFloatDtype } from '../../forward/stored-tensor.js';
import { elementCount } from '../../graph/value.js';
import { storedNames } from '../../model/check-tensors.js';
import { type BlockDescription, unitsOf } from '../../model/description.js';
import type { ReadableTensor } from '../../quantization/readable-tensors.js';
import { partsOf, rowsWithin } from '../../runtime/parts.js';
import { isEncoded, scaleRows } from '../../runtime/tensor-file.js';
import type { TensorRef } from '../../runtime/tensor-ref.js';
import { settle, type WorkerPool } from '../../runtime/worker-pool.js';
import type { PreparedRun } from '../prepare/prepare-run.js';
import type { ModelWriter } from './model-writer.js';

/** Elements of one task. */
const TASK_ELEMENTS = 4_194_304;

/**
 * Rounds a matrix to how it is stored, in memory and in its shard.
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
  if (isEncoded(file)) {
    const step = scaleRows(file);
    const bands = partsOf(Math.ceil(rows / step), rowsWithin(TASK_ELEMENTS, step * columns)).map((band) => {
      const first = band.first * step * columns;
      const elements = Math.min(rows * columns - first, band.count * step * columns);
      return { source: weights.address + BigInt(first * 4), elements, file, offset: offset + first * 4 };
    });
    await pool.map('forward/fit-scales-task', fitScalesTo, bands);
  }
  const parts = partsOf(rows * columns, TASK_ELEMENTS).map(({ first, count }) => ({
    name,
    source: weights.address + BigInt(first * 4),
    elements: count,
    firstIndex: first,
    dtype,
    file,
    offset: offset + first * bytesPerElement(dtype),
  }));
  const zeros = await writer.inTurn(name, () => pool.map('forward/store-task', storeElements, parts));
  await writer.complete(name);
  return zeros.reduce((sum, count) => sum + count, 0);
}

/** Bytes of one task that copies: few enough that all workers share in a large tensor. */
const COPY_BYTES = 16_777_216;

/** What of a run writes tensors. */
export interface BlockStore {
  readonly run: PreparedRun;
  readonly pool: WorkerPool;
  readonly writer: ModelWriter;
}

/**
 * Copies tensors as they are, or decoded where the output has them so. Those that are already complete are left alone; those
 * of which parts are pruned aren't complete yet.
 */
async function copyTensors(store: BlockStore, names: readonly string[]): Promise<void> {
  const { run, writer } = store;
  await settle(
    names.map(async (name) => {
      const tensor = run.tensors.get(name);
      if (!tensor) return;
      const fate = writer.fate(name);
      if (tensor.encoded && !run.encoded.has(name)) {
        if (fate !== 'pruned') await convertTensor(store, tensor, fate === 'kept');
        return;
      }
      const [holder = name, ...scales] = writer.heldBy(name);
      // What is pruned is encoded with the scales that it had, as far as these fit.
      const copied = fate === 'pruned' ? scales : [holder, ...scales];
      await settle(copied.map((own) => copyTensor(store, own, fate === 'kept')));
    }),
  );
}

async function copyTensor({ run, pool, writer }: BlockStore, name: string, isWhole: boolean): Promise<void> {
  const { stored } = writer;
  const from = run.checkpoint.tensors.get(name);
  if (!from || stored.isComplete(name)) return;
  const { path, offset, bytes } = from;
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
}

/** Copies what a tensor stands for. */
async function convertTensor(
  { run, pool, writer }: BlockStore,
  { name, shape }: ReadableTensor,
  isWhole: boolean,
): Promise<void> {
  const { stored } = writer;
  if (stored.isComplete(name)) return;
  const { file, offset, dtype } = floatTensor(run.tensors, name);
  const to = stored.locate(name);
  if (!isFloatDtype(to.dtype)) throw new Error(`${name} is written as ${to.dtype}`);
  const written = { path: to.path, dtype: to.dtype };
  const parts = partsOf(elementCount(shape), TASK_ELEMENTS).map(({ first, count }) => ({
    name,
    file,
    offset: offset + first * bytesPerElement(dtype),
    dtype,
    elements: count,
    firstIndex: first,
    to: { ...written, offset: to.offset + first * bytesPerElement(written.dtype) },
  }));
  const onDone = (index: number) => {
    if (isWhole) stored.wrote(name, (parts[index]?.elements ?? 0) * bytesPerElement(written.dtype));
  };
  await pool.map('forward/store-task', convertElements, parts, onDone);
  if (isWhole) await stored.complete(name);
}

/** Copies the tensors that belong to no block. */
export async function copyOutsideBlocks(store: BlockStore): Promise<void> {
  const { model, tensors } = store.run;
  const inBlocks = new Set(model.blocks.flatMap(unitsOf).flatMap(storedNames));
  await copyTensors(
    store,
    [...tensors.keys()].filter((name) => !inBlocks.has(name)),
  );
}

/** Copies what of a block, or of one of its experts, isn't pruned. */
export async function copyUnpruned(store: BlockStore, unit: BlockDescription): Promise<void> {
  await copyTensors(
    store,
    storedNames(unit).filter((name) => store.writer.claim(name)),
  );
}
