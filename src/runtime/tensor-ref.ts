/**
 * Tensors in native memory, named by address so that they can be sent to a worker.
 * @module
 */
import * as ort from 'onnxruntime-node';
import { elementCount } from '../graph/value.js';
import { float32View, int64View } from '../system/native-memory.js';

export interface TensorRef {
  readonly address: bigint;
  readonly shape: readonly number[];
  readonly type?: 'float32' | 'int64';
}

/** The tensor as onnxruntime takes it; no copy. */
export function toOrtTensor(ref: TensorRef): ort.Tensor {
  const length = elementCount(ref.shape);
  return ref.type === 'int64'
    ? new ort.Tensor('int64', int64View(ref.address, length), ref.shape)
    : new ort.Tensor('float32', float32View(ref.address, length), ref.shape);
}
