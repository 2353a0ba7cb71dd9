/**
 * Worker task: looks for weights that aren't finite, in the file as it lies.
 * @module
 */
import type { FloatDtype } from '../model/check-tensors.js';
import { sourceFile } from '../runtime/worker-files.js';
import { freshKernels } from '../runtime/worker-kernels.js';
import { bytesPerElement, CHUNK_ELEMENTS, decode } from './float-storage.js';

export interface CheckFiniteArguments {
  readonly path: string;
  readonly offset: number;
  readonly dtype: FloatDtype;
  readonly elements: number;
}

/** The first element that isn't finite, with its value; undefined when all are. */
export function findNonFinite(args: CheckFiniteArguments): { index: number; value: number } | undefined {
  const { path, offset, dtype, elements } = args;
  const kernels = freshKernels();
  const file = sourceFile(path);
  const size = bytesPerElement(dtype);
  const stored = kernels.arena.allocate(CHUNK_ELEMENTS * size);
  const decoded = kernels.arena.allocate(CHUNK_ELEMENTS * 4);
  for (let start = 0; start < elements; start += CHUNK_ELEMENTS) {
    const n = Math.min(CHUNK_ELEMENTS, elements - start);
    file.readInto(offset + start * size, kernels.u8(stored, n * size));
    const bad = decode(kernels, dtype, stored, decoded, n);
    if (bad >= 0) return { index: start + bad, value: kernels.f32(decoded, n)[bad] as number };
  }
  return undefined;
}
