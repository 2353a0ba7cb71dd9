/**
 * A floating-point tensor in a file: a source shard, or a shard being written.
 * @module
 */
import { RequestError } from '../errors.js';
import { FLOAT_DTYPES, type FloatDtype } from '../model/check-tensors.js';
import type { ReadableTensor } from '../quantization/readable-tensors.js';
import { filePath, type TensorFile } from '../runtime/tensor-file.js';

export interface StoredFloatTensor {
  readonly name: string;
  readonly file: TensorFile;
  /** Bytes from the start of the file, or of the view. */
  readonly offset: number;
  readonly dtype: FloatDtype;
  readonly shape: readonly number[];
}

export function isFloatDtype(dtype: string): dtype is FloatDtype {
  return (FLOAT_DTYPES as readonly string[]).includes(dtype);
}

/** The tensor of a checkpoint, known to be floating point. @throws RequestError when it is missing or isn't */
export function floatTensor(tensors: ReadonlyMap<string, ReadableTensor>, name: string): StoredFloatTensor {
  const tensor = tensors.get(name);
  if (!tensor) throw new RequestError(`tensor ${name} is missing`);
  const { file, offset, dtype, shape } = tensor;
  if (!isFloatDtype(dtype)) throw new RequestError(`${filePath(file)}: tensor ${name} is stored as ${dtype}`);
  return { name, file, offset, dtype, shape };
}
