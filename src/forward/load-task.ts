/**
 * Worker task: a stored tensor into native f32 memory.
 * @module
 */
import { RunError } from '../errors.js';
import type { FloatDtype } from '../model/check-tensors.js';
import { float32View } from '../runtime/native-memory.js';
import { sourceFile } from '../runtime/worker-files.js';
import { freshKernels } from '../runtime/worker-kernels.js';
import { bytesPerElement, CHUNK_ELEMENTS, decode } from './float-storage.js';

export interface LoadArguments {
  /** Of the tensor, for messages. */
  readonly name: string;
  readonly path: string;
  /** Bytes from the start of the file. */
  readonly offset: number;
  readonly dtype: FloatDtype;
  readonly elements: number;
  /** Index of the first element within its tensor, for messages. */
  readonly firstIndex: number;
  readonly target: bigint;
}

/** @throws RunError naming tensor and index of the first weight that isn't finite */
export async function loadElements(args: LoadArguments): Promise<void> {
  const { name, path, offset, dtype, elements, firstIndex, target } = args;
  const kernels = freshKernels();
  const file = sourceFile(path);
  const size = bytesPerElement(dtype);
  const stored = kernels.arena.allocate(CHUNK_ELEMENTS * size);
  const decoded = kernels.arena.allocate(CHUNK_ELEMENTS * 4);
  const output = float32View(target, elements);
  for (let start = 0; start < elements; start += CHUNK_ELEMENTS) {
    const n = Math.min(CHUNK_ELEMENTS, elements - start);
    file.readInto(offset + start * size, kernels.u8(stored, n * size));
    const bad = decode(kernels, dtype, stored, decoded, n);
    if (bad >= 0) {
      throw new RunError(
        `${path}: tensor ${name} holds ${kernels.f32(decoded, n)[bad]} at index ${firstIndex + start + bad}`,
      );
    }
    output.set(kernels.f32(decoded, n), start);
  }
}
