/**
 * A mean over windows, and how sure it is.
 * @module
 */

export interface MeanEstimate {
  readonly mean: number;
  /** s/√n with s the standard deviation between windows; null for one window, which tells nothing of it. */
  readonly standardError: number | null;
}

/** @param values one a window, at least one */
export function meanEstimate(values: Float64Array): MeanEstimate {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  if (n === 1) return { mean, standardError: null };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  return { mean, standardError: Math.sqrt(variance / n) };
}
