/**
 * Worker task: looks for weights that aren't finite, in the file as it lies.
 * @module
 */
import { sourceFile } from '../runtime/worker-files.js';
import { freshKernels } from '../runtime/worker-kernels.js';
import { bytesPerElement, CHUNK_ELEMENTS, decode, firstNonFinite } from './float-storage.js';
import type { NonFiniteElement, StoredElements } from './read-elements.js';

/** The first element that isn't finite, with its value; undefined when all are. */
export function findNonFinite({
  file,
  offset,
  dtype,
  elements,
}: StoredElements): NonFiniteElement | undefined {
  const kernels = freshKernels();
  const size = bytesPerElement(dtype);
  const source = sourceFile(file, { offset, bytes: elements * size });
  const stored = kernels.arena.allocate(CHUNK_ELEMENTS * size);
  for (let start = 0; start < elements; start += CHUNK_ELEMENTS) {
    const n = Math.min(CHUNK_ELEMENTS, elements - start);
    source.readInto(offset + start * size, kernels.u8(stored, n * size));
    const bad = firstNonFinite(kernels, dtype, stored, n);
    if (bad < 0) continue;
    const value = kernels.arena.allocate(4);
    decode(kernels, dtype, stored + bad * size, value, 1);
    return { index: start + bad, value: kernels.f32(value, 1)[0] as number };
  }
  return undefined;
}
