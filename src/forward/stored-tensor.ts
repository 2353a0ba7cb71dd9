/**
 * A floating-point tensor in a file: a source shard, or a shard being written.
 * @module
 */
import { RequestError } from '../errors.js';
import { FLOAT_DTYPES, type FloatDtype } from '../model/check-tensors.js';
import type { ReadableTensor } from '../quantization/readable-tensors.js';
import type { Part } from '../runtime/parts.js';
import { filePath, type TensorFile, type TensorView } from '../runtime/tensor-file.js';
import { bytesPerElement } from './float-storage.js';

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

/** Some columns of all rows of a matrix. */
export function columnsOf(tensor: StoredFloatTensor, { first, count }: Part): StoredFloatTensor {
  const { file, offset, dtype } = tensor;
  const [rows = 0, columns = 0] = tensor.shape;
  const whole: TensorView =
    typeof file === 'string' || 'encoding' in file
      ? {
          whole: file,
          start: offset,
          elementBytes: bytesPerElement(dtype),
          columns,
          strides: { offset: 0, run: rows, runStride: 0, rowStride: columns, columnStride: 1 },
        }
      : file;
  const { strides } = whole;
  const own = { ...strides, offset: strides.offset + first * strides.columnStride };
  return { ...tensor, file: { ...whole, columns: count, strides: own }, offset: 0, shape: [rows, count] };
}
