/**
 * What the loss of the dense model changes by when a weight alone goes, by its gradient g over windows; compared over the
 * whole matrix. The gradient alone |g|, the first order of Taylor's series |w·g|, or its second |w·g − ½·w²·F| with the
 * empirical Fisher F, the mean of g² (Molchanov et al. 2017, arXiv 1611.06440; Ma, Fang & Wang 2023, LLM-Pruner,
 * arXiv 2305.11627).
 * @module
 */
import type { Score } from './score.js';

export interface GradientOptions {
  readonly taylor: 'none' | 'first' | 'second';
  /** What stands for |g|: the root mean square over windows, or the size of the mean. */
  readonly aggregate: 'window' | 'set';
}

export const gradient: Score = {
  name: 'gradient',
  statistics: 'none',
  gradients(options) {
    const { taylor, aggregate } = options as GradientOptions;
    if (taylor === 'second') return ['mean', 'root mean square'];
    return [aggregate === 'set' ? 'mean' : 'root mean square'];
  },
  absoluteSums: false,
  comparisonGroup: 'tensor',
  vectors: ({ columnSums }, options) => ({
    columns: (options as GradientOptions).taylor === 'first' ? [new Float32Array(columnSums.length)] : [],
    rows: [],
  }),
  compute(kernels, args) {
    const { weights, scores, rows, columns, options } = args;
    const [first = 0, second = 0] = args.gradients;
    const [zeros = 0] = args.columnVectors;
    const { taylor } = options as GradientOptions;
    if (taylor === 'none') kernels.absScores(first, scores, rows * columns);
    else if (taylor === 'first') kernels.gradientScores(weights, first, zeros, 1, scores, rows, columns);
    else kernels.taylorScores(weights, first, second, scores, rows * columns);
  },
};
