/**
 * SparseGPT as a method.
 * @module
 */
import { z } from 'zod';
import { sparseGpt, sparseGptBytes } from '../../solvers/sparsegpt.js';
import { gramMethod } from './gram-method.js';
import { NO_WORK } from './method.js';
import { damping } from './options.js';

/** The kernels keep a block of the factor and of the weights in memory of their own. */
const MAX_BLOCK_SIZE = 256;

const options = z
  .strictObject({
    damping: damping(),
    block_size: z
      .int()
      .min(1)
      .max(MAX_BLOCK_SIZE)
      .default(128)
      .describe('Columns whose mask is chosen together; for N:M rounded down to a multiple of M.'),
  })
  .describe('SparseGPT: prunes column by column and lets the remaining weights make up for it.');

export const sparseGptMethod = gramMethod({
  name: 'sparsegpt',
  options,
  solve: (pool, gram, { name, linears }, given, oneLinear) =>
    sparseGpt(pool, name, gram, linears, given, oneLinear),
  work({ size, linears }, weights, { block_size: width }) {
    return {
      ...NO_WORK,
      bytes: sparseGptBytes(size, linears),
      // Cholesky and inverse: n³/3 each, twice for multiply and add.
      factorFlops: (4 / 3) * size ** 3,
      solveFlops: weights * size,
      columnFlops: weights * width,
    };
  },
});
