/**
 * |w_ij|·(‖X_j‖₂ + α·G_ij), compared within each output row; G is the root mean square, over windows, of the gradient of
 * the dense model's cross-entropy (Das, Ma & Shen 2023, GBLM-Pruner, arXiv 2311.04902).
 * @module
 */
import type { Score } from './score.js';

export interface GblmOptions {
  readonly alpha: number;
}

export const gblm: Score = {
  name: 'gblm',
  statistics: 'column norms',
  gradients: () => ['root mean square'],
  absoluteSums: false,
  comparisonGroup: 'row',
  vectors: ({ columnNorms }) => ({ columns: [columnNorms], rows: [] }),
  compute(kernels, args) {
    const { weights, scores, rows, columns, options } = args;
    const { alpha } = options as GblmOptions;
    const [norms = 0] = args.columnVectors;
    const [gradients = 0] = args.gradients;
    kernels.gradientScores(weights, gradients, norms, alpha, scores, rows, columns);
  },
};
