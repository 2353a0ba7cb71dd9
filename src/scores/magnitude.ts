/**
 * |w|, compared over the whole matrix (Han et al. 2015, arXiv 1506.02626).
 * @module
 */
import type { Score } from './score.js';

export const magnitude: Score = {
  name: 'magnitude',
  statistics: 'none',
  absoluteSums: false,
  comparisonGroup: 'tensor',
  vectors: () => ({ columns: [], rows: [] }),
  compute(kernels, { weights, scores, rows, columns }) {
    kernels.absScores(weights, scores, rows * columns);
  },
};
