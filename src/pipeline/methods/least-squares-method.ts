/**
 * The least-squares fit of what a method has left.
 * @module
 */
import { z } from 'zod';
import { leastSquaresBytes, refitSurvivors } from '../../solvers/least-squares.js';
import { gramMethod } from './gram-method.js';
import { NO_WORK } from './method.js';
import { damping, steps } from './options.js';

const options = z
  .strictObject({
    damping: damping(),
    iterations: steps(50, 'Most steps of the conjugate gradients; a row that has converged ends earlier.'),
  })
  .describe('Fits the survivors of every row to the outputs that it had.');

export const leastSquaresMethod = gramMethod({
  name: 'least_squares',
  options,
  solve: (pool, gram, { linears }, given, oneLinear) => refitSurvivors(pool, gram, linears, given, oneLinear),
  work({ size, linears }, weights, { iterations }) {
    return {
      ...NO_WORK,
      bytes: leastSquaresBytes(size, linears),
      solveFlops: 2 * (iterations + 2) * weights * size,
    };
  },
});
