/**
 * Worker task: how heavy the tail of a matrix's spectrum is.
 * @module
 */
import type { StoredFloatTensor } from '../forward/stored-tensor.js';
import { weightSpectrum } from './weight-spectrum.js';

/** Tails that are no tails, as of a matrix whose eigenvalues are all equal, get an exponent no greater than this. */
const MOST = 1e6;

/**
 * The exponent of a power law fitted to the larger half of the eigenvalues of WᵀW by Hill's estimator: 1 + k / Σ ln(λ_i/λ_min)
 * over the k largest, λ_min the least of them (PL_Alpha_Hill of Lu et al. 2024, arXiv 2410.10912). Smaller is heavier.
 */
export function tailExponent(tensor: StoredFloatTensor): number {
  return hillExponent(weightSpectrum(tensor));
}

/** @param eigenvalues ascending, none negative */
export function hillExponent(eigenvalues: Float64Array): number {
  const n = eigenvalues.length;
  const largest = eigenvalues[n - 1] ?? 0;
  if (largest === 0) return MOST;
  const tail = eigenvalues.subarray(Math.floor(n / 2));
  // Where W has less than half of full rank, the tail begins with what rounding left.
  const floor = largest * 2 ** -52;
  const least = Math.log(Math.max(floor, tail[0] as number));
  const sum = tail.reduce((total, value) => total + Math.log(Math.max(floor, value)) - least, 0);
  return Math.min(MOST, 1 + tail.length / sum);
}
