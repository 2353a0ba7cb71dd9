/**
 * Worker task: how heavy the tail of a matrix's spectrum is.
 * @module
 */
import type { StoredFloatTensor } from '../forward/stored-tensor.js';
import { powerLawExponent, type TailStart } from './power-law-exponent.js';
import { weightSpectrum } from './weight-spectrum.js';

export interface TailRequest {
  readonly tensor: StoredFloatTensor;
  readonly start: TailStart;
}

/** The exponent of the tail of WᵀW's eigenvalues, above 1 and at most 1e6. Smaller is heavier. */
export function tailExponent({ tensor, start }: TailRequest): number {
  return powerLawExponent(weightSpectrum(tensor), start);
}
