import { afterAll, describe, expect, it } from 'vitest';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import type { Pattern } from '../../src/sparsity/pattern.js';
import { describeSolver, diagonalOf, problem, solved } from './conformance.js';
import { sparseGptSolver } from './sparsegpt-solver.js';

const pools = [new WorkerPool(1), new WorkerPool(2), new WorkerPool(3)] as const;
afterAll(() => Promise.all(pools.map((each) => each.close())));

describeSolver(sparseGptSolver('SparseGPT, row by row', { mask_scope: 'row', block_size: 48 }), pools);
describeSolver(
  sparseGptSolver('SparseGPT, large inputs first', { order: 'activation', block_size: 48 }),
  pools,
);

/** The columns of a matrix [rows, order.length] in another order. */
function permuted(matrix: Float32Array, order: readonly number[]): Float32Array {
  const columns = order.length;
  return matrix.map((_, i) => matrix[i - (i % columns) + (order[i % columns] as number)] as number);
}

describe.each<Pattern>([
  { kind: 'unstructured', sparsity: 0.5 },
  { kind: 'n:m', keep: 2, of: 4 },
])('%o with the order activation', (pattern) => {
  it('is what the natural order makes of the columns in descending order of the Hessian', async () => {
    const given = problem(24, 160, 11);
    const diagonal = diagonalOf(given);
    const of = pattern.kind === 'n:m' ? pattern.of : 1;
    const sumOf = (group: number) =>
      diagonal.subarray(group * of, (group + 1) * of).reduce((sum, value) => sum + value, 0);
    const groups = Array.from({ length: 160 / of }, (_, group) => group).sort((a, b) => sumOf(b) - sumOf(a));
    const order = groups.flatMap((group) => Array.from({ length: of }, (_, k) => group * of + k));
    const inOrder = { ...given, x: permuted(given.x, order), w: permuted(given.w, order) };
    const expected = await solved(sparseGptSolver('', { block_size: 48 }), inOrder, pattern, pools[0]);
    const result = await solved(
      sparseGptSolver('', { block_size: 48, order: 'activation' }),
      given,
      pattern,
      pools[0],
    );
    expect(permuted(result.pruned, order)).toEqual(expected.pruned);
  });
});

it('row by row is what SparseGPT makes of each row alone', async () => {
  const given = problem(7, 120, 3);
  const pattern: Pattern = { kind: 'unstructured', sparsity: 0.55 };
  const { pruned } = await solved(
    sparseGptSolver('', { mask_scope: 'row', block_size: 32 }),
    given,
    pattern,
    pools[1],
  );
  for (let row = 0; row < given.rows; row++) {
    const alone = { ...given, rows: 1, w: given.w.slice(row * 120, (row + 1) * 120) };
    const expected = await solved(sparseGptSolver('', { block_size: 32 }), alone, pattern, pools[0]);
    const difference = pruned
      .subarray(row * 120, (row + 1) * 120)
      .map((value, j) => value - (expected.pruned[j] as number));
    expect(Math.max(...difference.map(Math.abs))).toBeLessThan(1e-4);
  }
});
