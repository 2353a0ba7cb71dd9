/**
 * What is kept of the gradients of a weight over windows.
 * @module
 */

/** Σg / windows, with its sign, or √(Σg² / windows). */
export type GradientMoment = 'mean' | 'root mean square';

/** A matrix [out, in] of f32, row after row, in a file. */
export interface FiledMatrix {
  readonly path: string;
  /** Bytes from the start. */
  readonly offset: number;
}
