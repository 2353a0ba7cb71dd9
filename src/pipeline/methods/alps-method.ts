/**
 * ALPS as a method.
 * @module
 */
import { z } from 'zod';
import { admmGroupBytes } from '../../solvers/admm-state.js';
import { alps } from '../../solvers/alps.js';
import { gramMethod } from './gram-method.js';
import { NO_WORK } from './method.js';
import { damping, steps } from './options.js';

/** Steps after which the mask of most real layers stayed. */
const USUAL_STEPS = 36;
/** Between two penalties, each of which needs a factor. */
const STEPS_PER_FACTOR = 3;

const options = z
  .strictObject({
    damping: damping(),
    rho: z.number().positive().max(1e3).default(0.1).describe('The penalty to begin with.'),
    iterations: steps(300, 'Most steps of the search for a mask; it ends when the mask stays as it is.'),
    refit_iterations: steps(10, 'Most steps of the conjugate gradients that then fit the weights.'),
  })
  .describe(
    'ALPS: looks for mask and weights at once, then fits the weights. Better than SparseGPT, and slower.',
  );

export const alpsMethod = gramMethod({
  name: 'alps',
  options,
  solve: (pool, gram, { linears }, given, oneLinear) => alps(pool, gram, linears, given, oneLinear),
  work({ size, linears }, weights, { iterations, refit_iterations: refits }) {
    const count = Math.min(iterations, USUAL_STEPS);
    return {
      ...NO_WORK,
      bytes: admmGroupBytes(linears),
      factorFlops: (linears.length * (count / STEPS_PER_FACTOR) * 4 * size ** 3) / 3,
      solveFlops: 2 * (count + refits + 2) * weights * size,
      scored: count * weights,
    };
  },
});
