/**
 * The ADMM weight update, as a method with masks of its own and after the mask of another.
 * @module
 */
import { z } from 'zod';
import { admm, admmUpdate } from '../../solvers/admm.js';
import { admmGroupBytes } from '../../solvers/admm-state.js';
import { gramMethod } from './gram-method.js';
import { type GroupShape, type GroupWork, NO_WORK } from './method.js';
import { damping, steps } from './options.js';

const ownDamping = damping(0.1, 'each of its elements');
const iterations = steps(20, 'Steps of the update.', 1);

const options = z
  .strictObject({
    damping: ownDamping,
    iterations,
    gradual: steps(
      15,
      'Of them, how many the mask takes to become as sparse as it is to be; at most all.',
      1,
    ),
  })
  .describe('ADMM with masks that become sparser step by step.');

export const admmMethod = gramMethod({
  name: 'admm',
  options,
  solve: (pool, gram, { linears }, given, oneLinear) =>
    admm(pool, gram, linears, withinSteps(given), oneLinear),
  work: (group, weights, given) => admmWork(group, weights, withinSteps(given)),
});

function withinSteps(given: z.output<typeof options>) {
  return { ...given, gradual: Math.min(given.gradual, given.iterations) };
}

const updateOptions = z
  .strictObject({ damping: ownDamping, iterations })
  .describe('ADMM for the mask that there is: other weights for the survivors.');

export const admmUpdateMethod = gramMethod({
  name: 'admm',
  options: updateOptions,
  solve: (pool, gram, { linears }, given, oneLinear) => admmUpdate(pool, gram, linears, given, oneLinear),
  work: (group, weights, given) => admmWork(group, weights, { ...given, gradual: 0 }),
});

function admmWork(
  { size, linears }: GroupShape,
  weights: number,
  { iterations: count, gradual }: { readonly iterations: number; readonly gradual: number },
): GroupWork {
  return {
    ...NO_WORK,
    bytes: admmGroupBytes(linears),
    factorFlops: (linears.length * 4 * size ** 3) / 3,
    solveFlops: 2 * (count + 2) * weights * size,
    scored: gradual * weights,
  };
}
