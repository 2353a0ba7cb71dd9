/**
 * What calibration measured for one input group of a block.
 * @module
 */

/** Where a Gram matrix XᵀX lies (unscaled, f32, in `gramStrips` layout). */
export interface GramRef {
  readonly address: bigint;
  readonly size: number;
  /** Tokens that it sums over. */
  readonly tokens: number;
}

export interface GroupStatistics {
  readonly group: string;
  /** Features of the activation X. */
  readonly size: number;
  /** Tokens seen: the rows of X. */
  readonly tokens: number;
  /** Σ over tokens of x², [size] */
  readonly sumOfSquares: Float64Array;
  /** XᵀX, over all tokens or over those of the first windows only. */
  readonly gram: GramRef | undefined;
}

/** ‖X_j‖₂ of each feature. */
export function columnNorms(statistics: GroupStatistics): Float32Array {
  return Float32Array.from(statistics.sumOfSquares, Math.sqrt);
}
