/**
 * Reads stored weights as f32, chunk by chunk through the kernels. Used inside workers.
 * @module
 */
import type { FloatDtype } from '../model/check-tensors.js';
import { elementsAtOnce, type TensorFile } from '../runtime/tensor-file.js';
import { sourceFile } from '../runtime/worker-files.js';
import { freshKernels } from '../runtime/worker-kernels.js';
import { bytesPerElement, CHUNK_ELEMENTS, decode } from './float-storage.js';

/** Consecutive elements of a stored tensor. */
export interface StoredElements {
  readonly file: TensorFile;
  /** Bytes from the start of the file, or of the view. */
  readonly offset: number;
  readonly dtype: FloatDtype;
  readonly elements: number;
}

/** An element that is NaN or ±Inf; `index` counts from the first that was asked for. */
export interface NonFiniteElement {
  readonly index: number;
  readonly value: number;
}

/**
 * Gives every chunk and the index of its first element to `use`; the chunk is only valid during the call.
 *
 * @returns the first element that isn't finite, at which reading stops; undefined when all are
 */
export function readElements(
  { file, offset, dtype, elements }: StoredElements,
  use: (chunk: Float32Array, start: number) => void,
): NonFiniteElement | undefined {
  const kernels = freshKernels();
  const source = sourceFile(file);
  const size = bytesPerElement(dtype);
  const most = Math.min(elements, elementsAtOnce(file, CHUNK_ELEMENTS));
  const stored = kernels.arena.allocate(most * size);
  const decoded = kernels.arena.allocate(most * 4);
  for (let start = 0; start < elements; start += most) {
    const n = Math.min(most, elements - start);
    source.readInto(offset + start * size, kernels.u8(stored, n * size));
    const bad = decode(kernels, dtype, stored, decoded, n);
    if (bad >= 0) return { index: start + bad, value: kernels.f32(decoded, n)[bad] as number };
    use(kernels.f32(decoded, n), start);
  }
  return undefined;
}
