/**
 * Worker task: writes moments of gradients into a file.
 * @module
 */
import { bytesOf, writeExactly } from '../runtime/worker-files.js';
import { float32View } from '../system/native-memory.js';
import type { FiledMatrix, GradientMoment } from './gradient-moments.js';

export interface MomentsToWrite {
  /** Of Σ g and Σ g² of the first element, f32. */
  readonly sum: bigint;
  readonly sumOfSquares: bigint;
  readonly elements: number;
  /** Whose losses they are the gradients of. */
  readonly windows: number;
  /** Each with the place of the first element. */
  readonly moments: readonly (FiledMatrix & { readonly moment: GradientMoment })[];
}

/** @throws RequestError or RunError naming the file when the disk is full or fails */
export function writeMoments({ sum, sumOfSquares, elements, windows, moments }: MomentsToWrite): void {
  for (const { moment, path, offset } of moments) {
    const values = new Float32Array(elements);
    if (moment === 'mean') {
      const sums = float32View(sum, elements);
      for (let i = 0; i < elements; i++) values[i] = (sums[i] as number) / windows;
    } else {
      const squares = float32View(sumOfSquares, elements);
      for (let i = 0; i < elements; i++) values[i] = Math.sqrt((squares[i] as number) / windows);
    }
    writeExactly(path, offset, bytesOf(values));
  }
}
