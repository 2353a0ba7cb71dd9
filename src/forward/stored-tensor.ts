/**
 * A floating-point tensor in a file: a source shard, or a shard being written.
 * @module
 */
import { RequestError } from '../errors.js';
import { FLOAT_DTYPES, type FloatDtype } from '../model/check-tensors.js';
import type { TensorFile } from '../runtime/tensor-file.js';

export interface StoredFloatTensor {
  readonly name: string;
  readonly file: TensorFile;
  /** Bytes from the start of the file, or of the view. */
  readonly offset: number;
  readonly dtype: FloatDtype;
  readonly shape: readonly number[];
}

interface StoredTensor {
  readonly name: string;
  readonly path: string;
  readonly offset: number;
  readonly dtype: string;
  readonly shape: readonly number[];
}

export function isFloatDtype(dtype: string): dtype is FloatDtype {
  return (FLOAT_DTYPES as readonly string[]).includes(dtype);
}

/** The tensor of a checkpoint, known to be floating point. @throws RequestError when it is missing or isn't */
export function floatTensor(tensors: ReadonlyMap<string, StoredTensor>, name: string): StoredFloatTensor {
  const tensor = tensors.get(name);
  if (!tensor) throw new RequestError(`tensor ${name} is missing`);
  const { dtype } = tensor;
  if (!isFloatDtype(dtype)) throw new RequestError(`${tensor.path}: tensor ${name} is stored as ${dtype}`);
  return { name, file: tensor.path, offset: tensor.offset, dtype, shape: tensor.shape };
}
