/**
 * What is kept of the gradients of a weight over windows.
 * @module
 */

/** Σg / windows, with its sign, or √(Σg² / windows). */
export type GradientMoment = 'mean' | 'root mean square';

/**
 * What gradients are those of: the cross-entropy of the dense model, or the L2 norm of what the weight's own block makes of
 * a window, behind the pruned blocks before it.
 */
export type GradientLoss = 'cross-entropy' | 'output norm';

/** A matrix [out, in] of f32, row after row, in a file. */
export interface FiledMatrix {
  readonly path: string;
  /** Bytes from the start. */
  readonly offset: number;
}
