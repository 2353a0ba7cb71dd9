import { afterAll } from 'vitest';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { thanos } from '../../src/solvers/thanos.js';
import { describeSolver, meanRidge, type Solver } from './conformance.js';

const pools = [new WorkerPool(1), new WorkerPool(2), new WorkerPool(3)] as const;
afterAll(() => Promise.all(pools.map((each) => each.close())));

function solverWith(block_size: number): Solver {
  return {
    name: `Thanos in blocks of ${block_size}`,
    solve: (pool, gram, matrices, oneLinear) =>
      thanos(pool, 'test', gram, matrices, { damping: 0.01, block_size }, oneLinear),
    ridge: (diagonal) => meanRidge(diagonal, 0.01),
  };
}

describeSolver(solverWith(128), pools);
describeSolver(solverWith(24), pools);
