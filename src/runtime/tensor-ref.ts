/**
 * Tensors in memory, named by address so that they can be sent to a worker.
 * @module
 */
import { type ElementType, elementCount } from '../graph/value.js';
import { addressOf, float32View } from '../system/native-memory.js';

export interface TensorRef {
  readonly address: bigint;
  readonly shape: readonly number[];
  readonly type?: ElementType;
}

/** A tensor in JavaScript's memory, which lasts as long as this does; of use in its own thread only. */
export interface ArrayTensor extends TensorRef {
  readonly data: Float32Array | BigInt64Array;
}

export function arrayTensor(data: Float32Array | BigInt64Array, shape: readonly number[]): ArrayTensor {
  if (data.length !== elementCount(shape)) {
    throw new Error(`${data.length} elements for shape [${shape.join(', ')}]`);
  }
  return { address: addressOf(data), shape, type: data instanceof Float32Array ? 'float32' : 'int64', data };
}

/** Copies an f32 tensor to another place in native memory. */
export function copyFloats({ address, shape }: TensorRef, to: bigint): void {
  const elements = elementCount(shape);
  float32View(to, elements).set(float32View(address, elements));
}
