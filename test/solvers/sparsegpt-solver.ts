/** SparseGPT for the conformance suite. @module */
import { type SparseGptOptions, sparseGpt } from '../../src/solvers/sparsegpt.js';
import { meanRidge, type Solver } from './conformance.js';

const options = { damping: 0.01, block_size: 128 };

/** @param keepZeros of every matrix */
export function sparseGptSolver(
  name: string,
  { keepZeros = false, ...changes }: Partial<SparseGptOptions> & { readonly keepZeros?: boolean } = {},
): Solver {
  const all = { ...options, ...changes };
  return {
    name,
    solve(pool, gram, matrices, oneLinear) {
      const own = matrices.map((matrix) => ({ ...matrix, keepZeros }));
      return sparseGpt(pool, 'test', gram, own, all, oneLinear);
    },
    ridge: (diagonal) => meanRidge(diagonal, all.damping),
    inRows: all.mask_scope === 'row',
  };
}
