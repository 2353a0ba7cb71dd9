/**
 * |w_ij|·(‖X_j‖₂ + α·‖g_ij‖₂), compared within each output row; g is the gradient of a window's cross-entropy in the dense
 * model (Das, Ma & Shen 2023, GBLM-Pruner, arXiv 2311.04902). The norms are those of the published code: of the inputs over
 * 2,048 tokens, and of the gradients over 128 windows of as many. Tokens that go to other experts are among these, for both. A
 * window's gradient is that of a mean over its tokens, and so falls about with their root. With it taken to 2,048 tokens, α
 * means about the same with any windows.
 * @module
 */
import type { Score } from './score.js';

/** Of the published code: the tokens of a window, over which the inputs' norms are, and the windows of the gradients' norms. */
const WINDOW_TOKENS = 2048;
const NORM_WINDOWS = 128;

export interface GblmOptions {
  readonly alpha: number;
}

export const gblm: Score = {
  name: 'gblm',
  statistics: 'column norms',
  gradients: () => ['root mean square'],
  absoluteSums: false,
  comparisonGroup: 'row',
  vectors({ columnNorms, tokens, gradientTokens }) {
    // What scales all scores alike changes nothing, so the inputs' norms are divided by what gradients are to be taken times.
    const share = Math.sqrt(WINDOW_TOKENS / tokens) / Math.sqrt(gradientTokens / WINDOW_TOKENS);
    return { columns: [columnNorms.map((norm) => norm * share)], rows: [] };
  },
  compute(kernels, args) {
    const { weights, scores, rows, columns, options } = args;
    const { alpha } = options as GblmOptions;
    const [norms = 0] = args.columnVectors;
    const [gradients = 0] = args.gradients;
    const factor = alpha * Math.sqrt(NORM_WINDOWS);
    kernels.gradientScores(weights, gradients, norms, factor, scores, rows, columns);
  },
};
