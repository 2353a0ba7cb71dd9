/**
 * The f32 weights of the block at work, in native memory that all workers share. One block at a time.
 * @module
 */

import { elementCount } from '../graph/value.js';
import { type BlockDescription, type TensorDescription, unitsOf } from '../model/description.js';
import { partsOf } from '../runtime/parts.js';
import type { TensorRef } from '../runtime/tensor-ref.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import { allocateNative, freeNative, type NativeRegion } from '../system/native-memory.js';
import { bytesPerElement } from './float-storage.js';
import { type LoadArguments, loadElements } from './load-task.js';
import type { StoredFloatTensor } from './stored-tensor.js';

/** Elements of one load task. */
const TASK_ELEMENTS = 4_194_304;
/** Tensors start on cache lines. */
const ALIGNMENT = 64;

/** Splits the load of a tensor into tasks. `target` receives its f32 elements. */
export function loadTasks(tensor: StoredFloatTensor, target: bigint): LoadArguments[] {
  return partsOf(elementCount(tensor.shape), TASK_ELEMENTS).map(({ first, count }) => ({
    name: tensor.name,
    file: tensor.file,
    offset: tensor.offset + first * bytesPerElement(tensor.dtype),
    dtype: tensor.dtype,
    elements: count,
    firstIndex: first,
    target: target + BigInt(first * 4),
  }));
}

/** Decodes a tensor to an address. @throws RunError naming a weight that isn't finite, or the file that can't be read */
export async function loadTensor(
  pool: WorkerPool,
  tensor: StoredFloatTensor,
  address: bigint,
): Promise<void> {
  await pool.map('forward/load-task', loadElements, loadTasks(tensor, address));
}

/** Bytes that a set of tensors takes in f32. */
export function f32Bytes(tensors: readonly TensorDescription[]): number {
  return tensors.reduce(
    (sum, { shape }) => sum + Math.ceil((elementCount(shape) * 4) / ALIGNMENT) * ALIGNMENT,
    0,
  );
}

/** A set of tensors in f32, by name. */
export class F32Tensors {
  readonly #region: NativeRegion;

  /** @param bytes of the largest set that will be loaded */
  constructor(bytes: number) {
    this.#region = allocateNative(bytes);
  }

  /** Where each tensor lies; names and shapes as given. */
  layout(tensors: readonly TensorDescription[]): Record<string, TensorRef> {
    let address = this.#region.address;
    const refs: Record<string, TensorRef> = Object.create(null);
    for (const { name, shape } of tensors) {
      refs[name] = { address, shape };
      address += BigInt(f32Bytes([{ name, shape }]));
    }
    if (address > this.#region.address + BigInt(this.#region.bytes))
      throw new Error('tensors exceed their memory');
    return refs;
  }

  /**
   * Loads tensors, overwriting the set before.
   *
   * @param locate where the tensor of a name is stored
   * @throws RunError naming a weight that isn't finite, or the file that can't be read
   */
  async load(
    tensors: readonly TensorDescription[],
    locate: (name: string) => StoredFloatTensor,
    pool: WorkerPool,
  ): Promise<Record<string, TensorRef>> {
    const refs = this.layout(tensors);
    const tasks = tensors.flatMap(({ name }) => {
      const ref = refs[name];
      return ref ? loadTasks(locate(name), ref.address) : [];
    });
    await pool.map('forward/load-task', loadElements, tasks);
    return refs;
  }

  dispose(): void {
    freeNative(this.#region);
  }
}

/** Bytes in f32 of the largest block, or expert. */
export function largestBlockBytes(blocks: readonly BlockDescription[]): number {
  return Math.max(...blocks.flatMap(unitsOf).map((unit) => f32Bytes(unit.tensors)));
}
