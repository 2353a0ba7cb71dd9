/**
 * SparseGPT as a method.
 * @module
 */
import { z } from 'zod';
import { sparseGpt } from '../../solvers/sparsegpt.js';
import type { CalibratedMethod } from './method.js';

/** The kernels keep a block of the factor and of the weights in memory of their own. */
const MAX_BLOCK_SIZE = 256;

const options = z
  .strictObject({
    damping: z
      .number()
      .positive()
      .max(1e6)
      .default(0.01)
      .describe('Added to the diagonal of the Hessian, as a fraction of its mean.'),
    block_size: z
      .int()
      .min(1)
      .max(MAX_BLOCK_SIZE)
      .default(128)
      .describe('Columns whose mask is chosen together; for N:M rounded down to a multiple of M.'),
  })
  .describe('SparseGPT: prunes column by column and lets the remaining weights make up for it.');

export const sparseGptMethod: CalibratedMethod = {
  name: 'sparsegpt',
  options,
  statistics: 'gram',
  async prune(pool, { name, linears, statistics }, given, oneLinear) {
    if (!statistics.gram) throw new Error(`${name}: SparseGPT without a Gram matrix`);
    return await sparseGpt(pool, name, statistics.gram, linears, options.parse(given), oneLinear);
  },
};
