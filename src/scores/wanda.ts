/**
 * |w_ij| · ‖X_j‖₂, compared within each output row (Sun et al. 2023, arXiv 2306.11695).
 * @module
 */
import type { Score } from './score.js';

export const wanda: Score = {
  name: 'wanda',
  statistics: 'column norms',
  absoluteSums: false,
  comparisonGroup: 'row',
  vectors: ({ columnNorms }) => ({ columns: [columnNorms], rows: [] }),
  compute(kernels, { weights, scores, rows, columns, columnVectors: [norms = 0] }) {
    kernels.scaledAbsScores(weights, norms, scores, rows, columns);
  },
};
