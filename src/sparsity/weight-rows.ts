/**
 * Rows of a matrix, chunk by chunk through the kernels, from where they are and, pruned, to where they belong. Used
 * inside workers.
 * @module
 */
import { RunError } from '../errors.js';
import { bytesPerElement, countZeros, decode } from '../forward/float-storage.js';
import type { FloatDtype } from '../model/check-tensors.js';
import type { Kernels } from '../runtime/kernels.js';
import { filePath, type TensorFile } from '../runtime/tensor-file.js';
import { sourceFile, targetFile } from '../runtime/worker-files.js';
import { float32View } from '../system/native-memory.js';

/** f32 in native memory, pruned in place. */
export interface MemoryRows {
  readonly address: bigint;
}

/** As stored in a file, pruned into another. */
export interface StoredRows {
  /** Of the tensor, for messages. */
  readonly tensor: string;
  readonly dtype: FloatDtype;
  /** Bytes from the start of each file. */
  readonly source: { readonly file: TensorFile; readonly offset: number };
  /** Undefined where they are only read. */
  readonly target: { readonly file: TensorFile; readonly offset: number } | undefined;
  /** Index of the first element within its tensor, for messages. */
  readonly firstIndex: number;
}

export type RowsPlace = MemoryRows | StoredRows;

/** One chunk at a time of consecutive elements. */
export interface WeightRows {
  /** Of the chunk's f32 weights in the kernels' memory. */
  readonly weights: number;
  /**
   * Reads n elements, from the `first` on.
   * @throws RunError naming file, tensor and index of a stored weight that isn't finite
   */
  read(first: number, n: number): void;
  /** Sets those of the chunk that was read to +0.0 whose byte in the mask isn't 0, and returns how many are ±0 then. */
  prune(first: number, n: number, mask: number): number;
}

/**
 * Chunks are read in order, and where any is pruned, all of them are.
 *
 * @param elements of all chunks
 * @param chunk elements that are read at a time, at most
 */
export function openRows(kernels: Kernels, place: RowsPlace, elements: number, chunk: number): WeightRows {
  return 'address' in place ? memoryRows(kernels, place, chunk) : storedRows(kernels, place, elements, chunk);
}

function memoryRows(kernels: Kernels, { address }: MemoryRows, chunk: number): WeightRows {
  const weights = kernels.arena.allocate(chunk * 4);
  const native = (first: number, n: number) => float32View(address + BigInt(first * 4), n);
  return {
    weights,
    read(first, n) {
      kernels.f32(weights, n).set(native(first, n));
    },
    prune(first, n, mask) {
      kernels.applyMask(weights, mask, n);
      native(first, n).set(kernels.f32(weights, n));
      return kernels.countZeros32(weights, n);
    },
  };
}

/** What stays is written as it was stored, to the bit. */
function storedRows(kernels: Kernels, place: StoredRows, elements: number, chunk: number): WeightRows {
  const { tensor, dtype, source, target, firstIndex } = place;
  const size = bytesPerElement(dtype);
  const bytes = elements * size;
  const file = sourceFile(source.file, { offset: source.offset, bytes });
  const write = target && targetFile(target.file, { offset: target.offset, bytes });
  const stored = kernels.arena.allocate(chunk * size);
  const weights = kernels.arena.allocate(chunk * 4);
  return {
    weights,
    read(first, n) {
      file.readInto(source.offset + first * size, kernels.u8(stored, n * size));
      const bad = decode(kernels, dtype, stored, weights, n);
      if (bad < 0) return;
      const value = kernels.f32(weights, n)[bad];
      throw new RunError(
        `${filePath(source.file)}: tensor ${tensor} holds ${value} at index ${firstIndex + first + bad}`,
      );
    },
    prune(first, n, mask) {
      if (!write) throw new Error(`${tensor} is only read`);
      if (size === 4) kernels.applyMask(stored, mask, n);
      else kernels.applyMask16(stored, mask, n);
      write(target.offset + first * size, kernels.u8(stored, n * size));
      return countZeros(kernels, dtype, stored, n);
    },
  };
}
