/**
 * |w_ij|·(α·G_ij + ‖X_j‖₂), compared within each output row; G is the root mean square over windows of the gradient of
 * ‖f(x)‖₂, f(x) being what the weight's own block makes of a window (Yang et al. 2025, Wanda++, arXiv 2503.04992, the
 * regional gradient score). As in the reproduction that the paper points to, the norm of the inputs is over all tokens of 128
 * windows, and G that of one of them. Both grow about with the root of a window's tokens, so that α means about the same
 * with any windows once the norms are taken to 128 windows as long as those of the gradients.
 * @module
 */
import type { Score } from './score.js';

/** Windows that the inputs' norms are taken over. */
const NORM_WINDOWS = 128;

export interface WandaPlusPlusOptions {
  readonly alpha: number;
}

export const wandaPlusPlus: Score = {
  name: 'wanda++',
  statistics: 'column norms',
  gradients: () => ['root mean square'],
  gradientsOf: 'output norm',
  absoluteSums: false,
  comparisonGroup: 'row',
  vectors({ columnNorms, tokens, gradientTokens }) {
    const share = Math.sqrt((NORM_WINDOWS * gradientTokens) / tokens);
    return { columns: [columnNorms.map((norm) => norm * share)], rows: [] };
  },
  compute(kernels, args) {
    const { weights, scores, rows, columns, options } = args;
    const { alpha } = options as WandaPlusPlusOptions;
    const [norms = 0] = args.columnVectors;
    const [gradients = 0] = args.gradients;
    kernels.gradientScores(weights, gradients, norms, alpha, scores, rows, columns);
  },
};
