/**
 * Worker tasks: tensors into the shards being written.
 * @module
 */
import { RunError } from '../errors.js';
import type { FloatDtype } from '../model/check-tensors.js';
import { elementsAtOnce, type TensorFile } from '../runtime/tensor-file.js';
import { sourceFile, writeExactly } from '../runtime/worker-files.js';
import { freshKernels } from '../runtime/worker-kernels.js';
import { float32View } from '../system/native-memory.js';
import { bytesPerElement, CHUNK_ELEMENTS, countZeros, decode, encode, isExact } from './float-storage.js';

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
 * Rounds f32 weights to their stored dtype, in the file and in memory alike, so that what comes after computes
 * with what was written. Returns the number of zeros.
 *
 * @throws RunError naming tensor and index of the first weight that isn't finite
 */
export async function storeElements(args: StoreArguments): Promise<number> {
  const { name, source, elements, firstIndex, dtype, file, offset } = args;
  const kernels = freshKernels();
  const size = bytesPerElement(dtype);
  const chunk = Math.min(elements, elementsAtOnce(file, CHUNK_ELEMENTS));
  const plain = kernels.arena.allocate(chunk * 4);
  const stored = kernels.arena.allocate(chunk * size);
  const weights = float32View(source, elements);
  let zeros = 0;
  for (let start = 0; start < elements; start += chunk) {
    const n = Math.min(chunk, elements - start);
    kernels.f32(plain, n).set(weights.subarray(start, start + n));
    const bad = encode(kernels, dtype, plain, stored, n);
    if (bad >= 0) {
      throw new RunError(
        `${name}: the pruned weight at index ${firstIndex + start + bad} is not finite as ${dtype}`,
      );
    }
    writeExactly(file, offset + start * size, kernels.u8(stored, n * size));
    zeros += countZeros(kernels, dtype, stored, n);
    // Methods that only take weights away leave what the dtype holds.
    if (isExact(kernels, dtype, plain, n)) continue;
    decode(kernels, dtype, stored, plain, n);
    weights.set(kernels.f32(plain, n), start);
  }
  return zeros;
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
  const source = sourceFile(from.path);
  const buffer = kernels.arena.allocate(COPY_CHUNK_BYTES);
  for (let start = 0; start < bytes; start += COPY_CHUNK_BYTES) {
    const chunk = kernels.u8(buffer, Math.min(COPY_CHUNK_BYTES, bytes - start));
    source.readInto(from.offset + start, chunk);
    writeExactly(to.path, to.offset + start, chunk);
  }
}
