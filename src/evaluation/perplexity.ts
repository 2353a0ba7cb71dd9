/**
 * Perplexity from the cross-entropies of windows.
 * @module
 */
import { meanEstimate } from './mean-estimate.js';

export interface PerplexityEstimate {
  readonly perplexity: number;
  /** Of the perplexity: exp(mean) · s/√n with s the standard deviation between windows (delta method); null for one window. */
  readonly standard_error: number | null;
  /** Nats, the mean over all predicted tokens. */
  readonly cross_entropy: number;
}

/** @param losses mean cross-entropy of each window, all of the same length, at least one */
export function perplexity(losses: Float64Array): PerplexityEstimate {
  const { mean, standardError } = meanEstimate(losses);
  const value = Math.exp(mean);
  const standard_error = standardError === null ? null : value * standardError;
  return { perplexity: value, standard_error, cross_entropy: mean };
}
