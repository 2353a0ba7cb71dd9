import { afterAll, describe, expect, it } from 'vitest';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { sparseGpt } from '../../src/solvers/sparsegpt.js';
import {
  describeSolver,
  diagonalOf,
  meanRidge,
  type Problem,
  problem,
  type Solver,
  solved,
} from './conformance.js';

const pools = [new WorkerPool(1), new WorkerPool(2), new WorkerPool(3)] as const;
afterAll(() => Promise.all(pools.map((each) => each.close())));

const options = { damping: 0.01, block_size: 128 };

const solver: Solver = {
  name: 'SparseGPT',
  solve: (pool, gram, matrices, oneLinear) => sparseGpt(pool, 'test', gram, matrices, options, oneLinear),
  ridge: (diagonal) => meanRidge(diagonal, options.damping),
};

describeSolver(solver, pools);

describe('SparseGPT', () => {
  it('agrees with a plain right-looking implementation in f64', async () => {
    const given = problem(24, 160, 11);
    const { pruned } = await solved(solver, given, { kind: 'n:m', keep: 2, of: 4 }, pools[0]);
    const expected = referenceNofM(given, options.damping, 2, 4);
    let different = 0;
    for (let i = 0; i < pruned.length; i++) {
      const [a, b] = [pruned[i] as number, expected[i] as number];
      if ((a === 0) !== (b === 0)) different++;
      else expect(Math.abs(a - b)).toBeLessThan(1e-3 * Math.max(1, Math.abs(b)));
    }
    expect(different).toBeLessThanOrEqual(pruned.length * 0.001);
  });
});

/** Algorithm 1 of Frantar & Alistarh 2023, column by column on a dense H⁻¹ that is eliminated as it goes. */
function referenceNofM(given: Problem, damping: number, keep: number, of: number): Float64Array {
  const { rows, columns: n, tokens, x, w } = given;
  const ridge = meanRidge(diagonalOf(given), damping);
  const h = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let t = 0; t < tokens; t++) sum += (x[t * n + i] as number) * (x[t * n + j] as number);
      h[i * n + j] = (2 / tokens) * sum + (i === j ? (ridge[i] as number) : 0);
    }
  }
  const inverse = invert(h, n);
  const heads = new Float64Array(n);
  const directions = new Float64Array(n * n);
  for (let j = 0; j < n; j++) {
    const head = inverse[j * n + j] as number;
    heads[j] = head;
    for (let k = j; k < n; k++) directions[j * n + k] = (inverse[j * n + k] as number) / head;
    for (let a = j; a < n; a++) {
      const column = inverse[a * n + j] as number;
      for (let b = j; b < n; b++) {
        inverse[a * n + b] = (inverse[a * n + b] as number) - column * (directions[j * n + b] as number);
      }
    }
  }
  const result = Float64Array.from(w);
  for (let r = 0; r < rows; r++) {
    const row = result.subarray(r * n, (r + 1) * n);
    let pruned: number[] = [];
    for (let j = 0; j < n; j++) {
      if (j % of === 0) {
        const order = Array.from({ length: of }, (_, k) => j + k);
        order.sort(
          (a, b) =>
            (row[a] as number) ** 2 / (heads[a] as number) - (row[b] as number) ** 2 / (heads[b] as number),
        );
        pruned = order.slice(0, of - keep);
      }
      if (!pruned.includes(j)) continue;
      const error = row[j] as number;
      for (let k = j; k < n; k++) row[k] = (row[k] as number) - error * (directions[j * n + k] as number);
      row[j] = 0;
    }
  }
  return result;
}

function invert(matrix: Float64Array, n: number): Float64Array {
  const a = Float64Array.from(matrix);
  const b = new Float64Array(n * n);
  for (let i = 0; i < n; i++) b[i * n + i] = 1;
  for (let p = 0; p < n; p++) {
    const pivot = a[p * n + p] as number;
    for (let c = 0; c < n; c++) {
      a[p * n + c] = (a[p * n + c] as number) / pivot;
      b[p * n + c] = (b[p * n + c] as number) / pivot;
    }
    for (let r = 0; r < n; r++) {
      if (r === p) continue;
      const factor = a[r * n + p] as number;
      for (let c = 0; c < n; c++) {
        a[r * n + c] = (a[r * n + c] as number) - factor * (a[p * n + c] as number);
        b[r * n + c] = (b[r * n + c] as number) - factor * (b[p * n + c] as number);
      }
    }
  }
  return b;
}
