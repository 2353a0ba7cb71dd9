/**
 * Relative importance and activations: (|w_ij| / Σ_k|w_ik| + |w_ij| / Σ_k|w_kj|) · ‖X_j‖₂^exponent, compared within each
 * output row (Zhang et al. 2024, "Plug-and-Play", ICLR).
 * @module
 */
import type { Score } from './score.js';

export interface RiaOptions {
  /** Of the input norm. */
  readonly exponent: number;
}

export const ria: Score = {
  name: 'ria',
  statistics: 'column norms',
  absoluteSums: true,
  comparisonGroup: 'row',
  vectors({ columnNorms, rowSums, columnSums }, options) {
    const { exponent } = options as RiaOptions;
    const powers = columnNorms.map((norm) => norm ** exponent);
    const inColumn = powers.map((power, j) => power * reciprocal(columnSums[j] ?? 0));
    return { columns: [inColumn, powers], rows: [Float32Array.from(rowSums, reciprocal)] };
  },
  compute(kernels, { weights, scores, rows, columns, columnVectors, rowVectors }) {
    const [inColumn = 0, powers = 0] = columnVectors;
    const [inRow = 0] = rowVectors;
    kernels.relativeScores(weights, inColumn, powers, inRow, scores, rows, columns);
  },
};

/** Where all weights are zero their shares are, too. */
function reciprocal(value: number): number {
  return value === 0 ? 0 : 1 / value;
}
