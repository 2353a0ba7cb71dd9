/**
 * Worker tasks: tensors into the shards being written.
 * @module
 */
import { RunError } from '../errors.js';
import type { FloatDtype } from '../model/check-tensors.js';
import { isEncoded, type TensorFile } from '../runtime/tensor-file.js';
import { sourceFile, targetFile, writeExactly } from '../runtime/worker-files.js';
import { freshKernels } from '../runtime/worker-kernels.js';
import { float32View } from '../system/native-memory.js';
import { bytesPerElement, CHUNK_ELEMENTS, countZeros, decode, encode, isExact } from './float-storage.js';
import type { StoredElements } from './read-elements.js';

export interface StoreArguments {
  /** Of the tensor, for messages. */
  readonly name: string;
  /** f32 elements in native memory; afterwards they hold the values as stored. */
  readonly source: bigint;
  readonly elements: number;
  /** Index of the first element within its tensor, for messages. */
  readonly firstIndex: number;
  readonly dtype: FloatDtype;
  readonly file: TensorFile;
  readonly offset: number;
}

/**
 * Rounds f32 weights to how they are stored, in the file and in memory alike, so that what comes after computes
 * with what was written. Returns the number of zeros.
 *
 * @throws RunError naming tensor and index of the first weight that isn't finite
 */
export async function storeElements(args: StoreArguments): Promise<number> {
  const { name, source, elements, firstIndex, dtype, file, offset } = args;
  const kernels = freshKernels();
  const size = bytesPerElement(dtype);
  const plain = kernels.arena.allocate(CHUNK_ELEMENTS * 4);
  const stored = kernels.arena.allocate(CHUNK_ELEMENTS * size);
  const range = { offset, bytes: elements * size };
  const write = targetFile(file, range);
  const weights = float32View(source, elements);
  const rounded = isEncoded(file) ? sourceFile(file, range) : undefined;
  let zeros = 0;
  for (let start = 0; start < elements; start += CHUNK_ELEMENTS) {
    const n = Math.min(CHUNK_ELEMENTS, elements - start);
    kernels.f32(plain, n).set(weights.subarray(start, start + n));
    const bad = encode(kernels, dtype, plain, stored, n);
    if (bad >= 0) {
      throw new RunError(
        `${name}: the pruned weight at index ${firstIndex + start + bad} is not finite as ${dtype}`,
      );
    }
    write(offset + start * size, kernels.u8(stored, n * size));
    if (rounded) rounded.readInto(offset + start * size, kernels.u8(stored, n * size));
    zeros += countZeros(kernels, dtype, stored, n);
    // Methods that only take weights away leave what the dtype holds.
    if (!rounded && isExact(kernels, dtype, plain, n)) continue;
    decode(kernels, dtype, stored, plain, n);
    weights.set(kernels.f32(plain, n), start);
  }
  return zeros;
}

export interface ConvertArguments extends StoredElements {
  /** Of the tensor, for messages. */
  readonly name: string;
  /** Index of the first element within its tensor, for messages. */
  readonly firstIndex: number;
  readonly to: { readonly path: string; readonly offset: number; readonly dtype: FloatDtype };
}

/** Copies stored elements to another dtype. @throws RunError naming tensor and index of one that isn't finite in it */
export function convertElements(args: ConvertArguments): void {
  const { name, file, offset, dtype, elements, firstIndex, to } = args;
  const kernels = freshKernels();
  const [size, written] = [bytesPerElement(dtype), bytesPerElement(to.dtype)];
  const source = sourceFile(file, { offset, bytes: elements * size });
  const stored = kernels.arena.allocate(CHUNK_ELEMENTS * Math.max(size, written));
  const plain = kernels.arena.allocate(CHUNK_ELEMENTS * 4);
  for (let start = 0; start < elements; start += CHUNK_ELEMENTS) {
    const n = Math.min(CHUNK_ELEMENTS, elements - start);
    source.readInto(offset + start * size, kernels.u8(stored, n * size));
    decode(kernels, dtype, stored, plain, n);
    const bad = encode(kernels, to.dtype, plain, stored, n);
    if (bad >= 0) {
      throw new RunError(
        `${name}: the weight at index ${firstIndex + start + bad} is not finite as ${to.dtype}`,
      );
    }
    writeExactly(to.path, to.offset + start * written, kernels.u8(stored, n * written));
  }
}

export interface CopyArguments {
  readonly from: { readonly path: string; readonly offset: number };
  readonly to: { readonly path: string; readonly offset: number };
  readonly bytes: number;
}

/** Bytes that pass through the kernels' memory at a time: few enough to stay in a core's cache. */
const COPY_CHUNK_BYTES = 262_144;

/** Copies bytes as they are. */
export function copyBytes({ from, to, bytes }: CopyArguments): void {
  const kernels = freshKernels();
  const source = sourceFile(from.path, { offset: from.offset, bytes });
  const buffer = kernels.arena.allocate(COPY_CHUNK_BYTES);
  for (let start = 0; start < bytes; start += COPY_CHUNK_BYTES) {
    const chunk = kernels.u8(buffer, Math.min(COPY_CHUNK_BYTES, bytes - start));
    source.readInto(from.offset + start, chunk);
    writeExactly(to.path, to.offset + start, chunk);
  }
}
