/**
 * The least-squares fit of what a method has left.
 * @module
 */
import { z } from 'zod';
import { refitSurvivors } from '../../solvers/least-squares.js';
import { type Method, NO_WORK } from './method.js';
import { damping, steps } from './options.js';

const options = z
  .strictObject({
    damping,
    iterations: steps(50, 'Most steps of the conjugate gradients; a row that has converged ends earlier.'),
  })
  .describe('Fits the survivors of every row to the outputs that it had.');

export const leastSquaresMethod: Method = {
  name: 'least_squares',
  options,
  statistics: 'gram',
  async prune(pool, { name, linears, statistics }, given, oneLinear) {
    if (!statistics.gram) throw new Error(`${name}: least squares without a Gram matrix`);
    return await refitSurvivors(pool, statistics.gram, linears, options.parse(given), oneLinear);
  },
  work({ size, linears }, given) {
    const { iterations } = options.parse(given);
    const weights = linears.reduce((sum, linear) => sum + linear.out * linear.in, 0);
    return {
      ...NO_WORK,
      bytes: { group: size * size * 4, linears: linears.map((linear) => linear.out * linear.in * 4) },
      solveFlops: 2 * (iterations + 2) * weights * size,
    };
  },
};
