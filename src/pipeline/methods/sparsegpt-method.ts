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
    mask_scope: z
      .enum(['block', 'row'])
      .default('block')
      .describe(
        'Weights of a column block among which the lowest scores go, for a sparsity. block: those of all rows, as in the published code; row: those of each row. N:M has its groups.',
      ),
    order: z
      .enum(['natural', 'activation'])
      .default('natural')
      .describe(
        "natural: columns are pruned as they lie; activation: those with the largest elements of the Hessian's diagonal first, as GPTQ's act-order. For N:M groups stay together, the largest sums first.",
      ),
    keep_zeros: z.boolean().default(false).describe('For this method what existing_zeros: keep is for all.'),
  })
  .describe('SparseGPT: prunes column by column and lets the remaining weights make up for it.');

export const sparseGptMethod = gramMethod({
  name: 'sparsegpt',
  options,
  // A block has whole groups.
  largestGroup: MAX_BLOCK_SIZE,
  comparesRows: ({ mask_scope }) => mask_scope === 'row',
  solve: (pool, gram, { name, linears }, { keep_zeros, ...given }, oneLinear) => {
    const matrices = linears.map((linear) => ({ ...linear, keepZeros: keep_zeros || linear.keepZeros }));
    return sparseGpt(pool, name, gram, matrices, given, oneLinear);
  },
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
