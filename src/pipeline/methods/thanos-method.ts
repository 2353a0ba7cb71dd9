/**
 * Thanos as a method.
 * @module
 */
import { z } from 'zod';
import { thanos, thanosBytes } from '../../solvers/thanos.js';
import { gramMethod } from './gram-method.js';
import { NO_WORK } from './method.js';
import { damping } from './options.js';

/** The kernels keep a block of the factor and of the weights in memory of their own, and equations grow with its cube. */
const MAX_BLOCK_SIZE = 512;

/** Of a block's columns, what a row loses as a rule. */
const USUAL_SPARSITY = 0.5;

const options = z
  .strictObject({
    damping: damping(),
    block_size: z
      .int()
      .min(1)
      .max(MAX_BLOCK_SIZE)
      .default(128)
      .describe('Columns whose weights go together; for N:M rounded down to a multiple of M.'),
  })
  .describe(
    'Thanos: prunes block by block, with one update of the rest of a row for all that it loses in the block.',
  );

export const thanosMethod = gramMethod({
  name: 'thanos',
  options,
  // A block has whole groups.
  largestGroup: MAX_BLOCK_SIZE,
  solve: (pool, gram, { name, linears }, given, oneLinear) =>
    thanos(pool, name, gram, linears, given, oneLinear),
  work({ size, linears }, weights, { block_size }) {
    const width = Math.min(block_size, size);
    const together = USUAL_SPARSITY * width;
    return {
      ...NO_WORK,
      bytes: thanosBytes(size, linears),
      // Cholesky and inverse: n³/3 each, twice for multiply and add.
      factorFlops: (4 / 3) * size ** 3,
      // What blocks owe later ones, and the update within the block.
      solveFlops: weights * (size + 4 * width),
      // A Cholesky factor for every row of every block, in f64, of which vectors hold half as many.
      columnFlops: (2 * (2 / 3) * weights * together ** 3) / width,
      // All that is left is scored twice for every block.
      scored: (weights * size) / width,
    };
  },
});
