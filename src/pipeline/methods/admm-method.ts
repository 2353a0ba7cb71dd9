/**
 * The ADMM weight update, as a method with masks of its own and after the mask of another.
 * @module
 */
import { z } from 'zod';
import { admm, admmUpdate } from '../../solvers/admm.js';
import { admmBytes } from '../../solvers/admm-state.js';
import { type GroupShape, type GroupWork, type Method, NO_WORK } from './method.js';
import { steps } from './options.js';

const damping = z
  .number()
  .positive()
  .max(1e6)
  .default(0.1)
  .describe('Added to the diagonal of the Hessian, as a fraction of each of its elements.');
const iterations = steps(20, 'Steps of the update.');

const options = z
  .strictObject({
    damping,
    iterations,
    gradual: steps(15, 'Of them, how many the mask takes to become as sparse as it is to be.'),
  })
  .superRefine(({ iterations: all, gradual }, context) => {
    if (gradual >= 1 && gradual <= all) return;
    const message = `expected from 1 up to iterations, which is ${all}`;
    context.addIssue({ code: 'custom', path: ['gradual'], input: gradual, message });
  })
  .describe('ADMM with masks that become sparser step by step.');

export const admmMethod: Method = {
  name: 'admm',
  options,
  statistics: 'gram',
  async prune(pool, { name, linears, statistics }, given, oneLinear) {
    if (!statistics.gram) throw new Error(`${name}: ADMM without a Gram matrix`);
    return await admm(pool, statistics.gram, linears, options.parse(given), oneLinear);
  },
  work: (group, given) => admmWork(group, options.parse(given)),
};

const updateOptions = z
  .strictObject({ damping, iterations })
  .describe('ADMM for the mask that there is: other weights for the survivors.');

export const admmUpdateMethod: Method = {
  name: 'admm',
  options: updateOptions,
  statistics: 'gram',
  async prune(pool, { name, linears, statistics }, given, oneLinear) {
    if (!statistics.gram) throw new Error(`${name}: ADMM without a Gram matrix`);
    return await admmUpdate(pool, statistics.gram, linears, updateOptions.parse(given), oneLinear);
  },
  work: (group, given) => admmWork(group, { ...updateOptions.parse(given), gradual: 0 }),
};

function admmWork(
  { size, linears }: GroupShape,
  { iterations: count, gradual }: { readonly iterations: number; readonly gradual: number },
): GroupWork {
  const weights = linears.reduce((sum, linear) => sum + linear.out * linear.in, 0);
  return {
    ...NO_WORK,
    bytes: { group: 0, linears: linears.map(admmBytes) },
    factorFlops: (linears.length * 4 * size ** 3) / 3,
    solveFlops: 2 * (count + 2) * weights * size,
    scored: gradual * weights,
  };
}
