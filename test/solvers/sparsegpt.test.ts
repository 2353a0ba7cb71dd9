import { afterAll, describe, expect, it } from 'vitest';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import type { Pattern } from '../../src/sparsity/pattern.js';
import { describeSolver, diagonalOf, meanRidge, type Problem, problem, solved } from './conformance.js';
import { invert } from './plain-inverse.js';
import { sparseGptSolver } from './sparsegpt-solver.js';

const pools = [new WorkerPool(1), new WorkerPool(2), new WorkerPool(3)] as const;
afterAll(() => Promise.all(pools.map((each) => each.close())));

describeSolver(sparseGptSolver('SparseGPT'), pools);
describeSolver(sparseGptSolver('SparseGPT in blocks of 48', { block_size: 48 }), pools);

describe('SparseGPT', () => {
  it.each(['block', 'row'] as const)(
    'names the matrix whose scores are no numbers, mask_scope %s',
    async (mask_scope) => {
      const given = problem(8, 40, 2);
      // Not a number, with the sign bit.
      new Uint32Array(given.w.buffer, given.w.byteOffset)[77] = 0xffc00000;
      const solving = solved(
        sparseGptSolver('', { mask_scope }),
        given,
        { kind: 'unstructured', sparsity: 0.5 },
        pools[0],
      );
      await expect(solving).rejects.toThrow(/^\w+: a weight isn't finite while it is pruned/);
    },
  );

  it.each([false, true])(
    'agrees with a plain right-looking implementation in f64, zeros kept: %s',
    async (keepZeros) => {
      const given = problem(24, 160, 11);
      if (keepZeros)
        given.w.forEach((_, i) => {
          if ((i * 7919) % 10 < 4) given.w[i] = 0;
        });
      const pattern: Pattern = { kind: 'n:m', keep: 2, of: 4 };
      const { pruned } = await solved(sparseGptSolver(''), given, pattern, pools[0], keepZeros);
      const expected = referenceNofM(given, 0.01, pattern, keepZeros);
      let different = 0;
      for (let i = 0; i < pruned.length; i++) {
        const [a, b] = [pruned[i] as number, expected[i] as number];
        if ((a === 0) !== (b === 0)) different++;
        else expect(Math.abs(a - b)).toBeLessThan(1e-3 * Math.max(1, Math.abs(b)));
      }
      expect(different).toBeLessThanOrEqual(pruned.length * 0.001);
    },
  );
});

/** Algorithm 1 of Frantar & Alistarh 2023, column by column on a dense H⁻¹ that is eliminated as it goes. */
function referenceNofM(
  given: Problem,
  damping: number,
  { keep, of }: { readonly keep: number; readonly of: number },
  keepZeros: boolean,
): Float64Array {
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
        const goes = (k: number) => keepZeros && w[r * n + k] === 0;
        const score = (k: number) => (goes(k) ? -1 : (row[k] as number) ** 2 / (heads[k] as number));
        order.sort((a, b) => score(a) - score(b));
        pruned = order.filter((k, place) => place < of - keep || goes(k));
      }
      if (!pruned.includes(j)) continue;
      const error = row[j] as number;
      for (let k = j; k < n; k++) row[k] = (row[k] as number) - error * (directions[j * n + k] as number);
      row[j] = 0;
    }
  }
  return result;
}
