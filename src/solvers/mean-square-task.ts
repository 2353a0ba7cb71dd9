/**
 * Worker task: the mean square of a matrix.
 * @module
 */
import { partsOf } from '../runtime/parts.js';
import { freshKernels } from '../runtime/worker-kernels.js';
import { float32View } from '../system/native-memory.js';

/** Elements in the kernels' memory at a time. */
const PART_ELEMENTS = 65_536;

export interface MatrixToSquare {
  /** Of the first of its elements, f32. */
  readonly weights: bigint;
  /** Elements. */
  readonly count: number;
}

/** Σ w² / count, summed in f64 in an order that depends on the count alone. */
export function meanSquare({ weights, count }: MatrixToSquare): number {
  const kernels = freshKernels();
  const place = kernels.arena.allocate(Math.min(count, PART_ELEMENTS) * 4);
  let sum = 0;
  for (const part of partsOf(count, PART_ELEMENTS)) {
    kernels.f32(place, part.count).set(float32View(weights + BigInt(part.first * 4), part.count));
    sum += kernels.dot(place, place, part.count);
  }
  return sum / count;
}
