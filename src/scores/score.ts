/**
 * The interface of a score: what removing a weight costs, by some criterion. A new score is one file here
 * and one line in `score-registry.ts`.
 * @module
 */
import type { Kernels } from '../runtime/kernels.js';
import type { GradientLoss, GradientMoment } from '../statistics/gradient-moments.js';

/** Places in the kernels' memory. */
export interface ScoreArguments {
  /** [rows, columns] f32 */
  readonly weights: number;
  /** Receives [rows, columns] f32, none negative. */
  readonly scores: number;
  readonly rows: number;
  readonly columns: number;
  /** The score's column vectors, each [columns] f32. */
  readonly columnVectors: readonly number[];
  /** The score's row vectors, each [rows] f32. */
  readonly rowVectors: readonly number[];
  /** The moments of gradients that the score asks for, each [rows, columns] f32. */
  readonly gradients: readonly number[];
  /** Its method's, as that method's schema puts them out. */
  readonly options: unknown;
}

/** What is known of a linear when its score's vectors are made. */
export interface ScoreInputs {
  /** ‖X_j‖₂, [columns]; where the score asks for column norms. */
  readonly columnNorms: Float32Array;
  /** Tokens of the windows that the norms are over, with those that go to other experts. */
  readonly tokens: number;
  /** Tokens of each window that gradients were taken over. */
  readonly gradientTokens: number;
  /** Σ|w| of every row and of every column; zeros unless the score asks for absolute sums. */
  readonly rowSums: Float64Array;
  readonly columnSums: Float64Array;
}

/** What a score is computed with, beside the weights. */
export interface ScoreVectors {
  readonly columns: readonly Float32Array[];
  readonly rows: readonly Float32Array[];
}

export interface Score {
  readonly name: string;
  /** What it needs from calibration. */
  readonly statistics: 'none' | 'column norms';
  /** What it needs of gradients; nothing when left out. */
  gradients?(options: unknown): readonly GradientMoment[];
  /** What they are the gradients of; `cross-entropy` when left out. */
  readonly gradientsOf?: GradientLoss;
  /** Whether it needs Σ|w| of rows and columns, for which every weight is read once more. */
  readonly absoluteSums: boolean;
  /** Weights among which the smallest scores go, when the pattern is unstructured. */
  readonly comparisonGroup: 'tensor' | 'row';
  /** @param options its method's, as that method's schema puts them out */
  vectors(inputs: ScoreInputs, options: unknown): ScoreVectors;
  compute(kernels: Kernels, args: ScoreArguments): void;
}
