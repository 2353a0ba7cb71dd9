/**
 * The interface of a score: what removing a weight costs, by some criterion. A new score is one file here
 * and one line in `score-registry.ts`.
 * @module
 */
import type { Kernels } from '../runtime/kernels.js';

/** Places in the kernels' memory. */
export interface ScoreArguments {
  /** [rows, columns] f32 */
  readonly weights: number;
  /** Receives [rows, columns] f32, none negative. */
  readonly scores: number;
  readonly rows: number;
  readonly columns: number;
  /** ‖X_j‖₂, [columns] f32; only where the score asks for it. */
  readonly columnNorms: number;
}

export interface Score {
  readonly name: string;
  /** What it needs from calibration. */
  readonly statistics: 'none' | 'column norms';
  /** Weights among which the smallest scores go, when the pattern is unstructured. */
  readonly comparisonGroup: 'tensor' | 'row';
  compute(kernels: Kernels, args: ScoreArguments): void;
}
