/**
 * Rows of a matrix, chunk by chunk through the kernels, from where they are and, pruned, to where they belong. Used
 * inside workers.
 * @module
 */
import { RunError } from '../errors.js';
import { bytesPerElement, countZeros, decode, encode } from '../forward/float-storage.js';
import type { FloatDtype } from '../model/check-tensors.js';
import type { Kernels } from '../runtime/kernels.js';
import { filePath, type TensorFile } from '../runtime/tensor-file.js';
import { sourceFile, targetFile } from '../runtime/worker-files.js';
import { float32View } from '../system/native-memory.js';

/** f32 in native memory, pruned in place. */
export interface MemoryRows {
  readonly address: bigint;
}

/** Where stored rows begin. */
export interface RowsFile {
  readonly file: TensorFile;
  /** Bytes from the start of the file. */
  readonly offset: number;
  readonly dtype: FloatDtype;
}

/** As stored in a file, pruned into another. */
export interface StoredRows {
  /** Of the tensor, for messages. */
  readonly tensor: string;
  readonly source: RowsFile;
  /** Undefined where they are only read. */
  readonly target: RowsFile | undefined;
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

/** What stays is written as it was stored, to the bit; rounded where the dtype is to be another. */
function storedRows(kernels: Kernels, place: StoredRows, elements: number, chunk: number): WeightRows {
  const { tensor, source, target, firstIndex } = place;
  const { dtype } = source;
  const size = bytesPerElement(dtype);
  const written = bytesPerElement(target?.dtype ?? dtype);
  const file = sourceFile(source.file, { offset: source.offset, bytes: elements * size });
  const write = target && targetFile(target.file, { offset: target.offset, bytes: elements * written });
  const stored = kernels.arena.allocate(chunk * Math.max(size, written));
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
      if (!target || !write) throw new Error(`${tensor} is only read`);
      if (target.dtype !== dtype) {
        kernels.applyMask(weights, mask, n);
        const bad = encode(kernels, target.dtype, weights, stored, n);
        if (bad >= 0) {
          throw new RunError(
            `${tensor}: the weight at index ${firstIndex + first + bad} is not finite as ${target.dtype}`,
          );
        }
      } else if (size === 4) kernels.applyMask(stored, mask, n);
      else kernels.applyMask16(stored, mask, n);
      write(target.offset + first * written, kernels.u8(stored, n * written));
      return countZeros(kernels, target.dtype, stored, n);
    },
  };
}
