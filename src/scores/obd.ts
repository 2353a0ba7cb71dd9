/**
 * Optimal brain damage: ½·w_ij²·H, compared over the whole matrix (LeCun, Denker & Solla 1990, NIPS 2). H is either H_jj of
 * H = (2/tokens)·XᵀX, so that the score is the loss of a linear's output when that weight alone goes, or the empirical
 * Fisher information of the weight, the mean over windows of its squared gradient in the dense model's cross-entropy.
 * What is computed is the square root but for a factor, |w_ij|·‖X_j‖₂ or |w_ij|·√F_ij, which orders weights in the same
 * way.
 * @module
 */
import type { Score } from './score.js';
import { wanda } from './wanda.js';

export interface ObdOptions {
  readonly hessian: 'gram' | 'fisher';
}

function isFisher(options: unknown): boolean {
  return (options as ObdOptions).hessian === 'fisher';
}

export const obd: Score = {
  ...wanda,
  name: 'obd',
  comparisonGroup: 'tensor',
  gradients: (options) => (isFisher(options) ? ['root mean square'] : []),
  vectors: (inputs, options) =>
    isFisher(options)
      ? { columns: [new Float32Array(inputs.columnSums.length)], rows: [] }
      : wanda.vectors(inputs, options),
  compute(kernels, args) {
    if (!isFisher(args.options)) return wanda.compute(kernels, args);
    const { weights, scores, rows, columns } = args;
    const [zeros = 0] = args.columnVectors;
    const [root = 0] = args.gradients;
    kernels.gradientScores(weights, root, zeros, 1, scores, rows, columns);
  },
};
