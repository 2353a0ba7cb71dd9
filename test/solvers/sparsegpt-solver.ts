/** SparseGPT for the conformance suite. @module */
import { type SparseGptOptions, sparseGpt } from '../../src/solvers/sparsegpt.js';
import { meanRidge, type Solver } from './conformance.js';

const options = { damping: 0.01, block_size: 128 };

export function sparseGptSolver(name: string, changes: Partial<SparseGptOptions> = {}): Solver {
  const all = { ...options, ...changes };
  return {
    name,
    solve: (pool, gram, matrices, oneLinear) => sparseGpt(pool, 'test', gram, matrices, all, oneLinear),
    ridge: (diagonal) => meanRidge(diagonal, all.damping),
    inRows: all.mask_scope === 'row',
  };
}
