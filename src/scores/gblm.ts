/**
 * |w_ij|·(‖X_j‖₂ + α·‖g_ij‖₂), compared within each output row; g is the gradient of a window's cross-entropy in the dense
 * model (Das, Ma & Shen 2023, GBLM-Pruner, arXiv 2311.04902). The norms are those of the published code, so that α means
 * the same with any windows: of the inputs over 2,048 tokens, and of the gradients over 128 windows.
 * @module
 */
import type { Score } from './score.js';

/** What the published code takes norms over: a window's tokens for inputs, and windows for gradients. */
const NORM_TOKENS = 2048;
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
  vectors({ columnNorms, tokens }) {
    const share = Math.sqrt(NORM_TOKENS / tokens);
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
