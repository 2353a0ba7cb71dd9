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
  /** Σ over tokens of x, [size]; only where it was asked for. */
  readonly sum: Float64Array | undefined;
  /** XᵀX, over all tokens or over those of the first windows only. */
  readonly gram: GramRef | undefined;
}

/** ‖X_j‖₂ of each feature. */
export function columnNorms(statistics: GroupStatistics): Float32Array {
  return Float32Array.from(statistics.sumOfSquares, Math.sqrt);
}

export interface Moments {
  /** [size] */
  readonly mean: Float64Array;
  /** Over tokens, [size] */
  readonly variance: Float64Array;
}

/** Of a feature's mean square: what rounding in Σx² and Σx leaves of the variance of a constant is below. */
const LEAST_VARIANCE = 1e-6;

/**
 * Mean and variance of each feature. A variance is at least 1e-6 of the feature's mean square, so that it is 0 for an input
 * that always is 0 and for no other.
 */
export function moments({ group, tokens, sum, sumOfSquares }: GroupStatistics): Moments {
  if (!sum) throw new Error(`${group}: the sums of activations were not measured`);
  const mean = sum.map((total) => total / tokens);
  const variance = sumOfSquares.map((total, j) => {
    const meanSquare = total / tokens;
    return Math.max(meanSquare - (mean[j] as number) ** 2, LEAST_VARIANCE * meanSquare);
  });
  return { mean, variance };
}
