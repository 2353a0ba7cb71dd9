import { afterAll, expect, it } from 'vitest';
import { RunError } from '../../src/errors.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import type { SolveOutcome } from '../../src/solvers/solvable.js';
import { sparseGpt } from '../../src/solvers/sparsegpt.js';
import { nativeTensor, stripGram } from '../support/native.js';

const pool = new WorkerPool(1);
afterAll(() => pool.close());

/** Prunes with a Hessian whose eigenvalues are 2 + below and −below, and with a damping of 1e-6 of its diagonal, which is 1. */
async function prunedWith(below: number): Promise<SolveOutcome | undefined> {
  const gram = stripGram(Float32Array.of(1, 1 + below, 1 + below, 1), 2, 2);
  const weights = nativeTensor(Float32Array.of(1, 2, 3, 4), [2, 2]);
  const pattern = { kind: 'unstructured', sparsity: 0.5 } as const;
  const options = { damping: 1e-6, block_size: 2 };
  return (await sparseGpt(pool, 'test', gram, [{ name: 'w', weights, pattern }], options)).get('w');
}

// 1e-6 · 10 isn't 1e-5.
it.each([
  [4e-6, 1e-5, '0.00001'],
  [4e-5, 1e-4, '0.0001'],
  [4e-4, 1e-3, '0.001'],
  [4e-3, 1e-2, '0.01'],
])(
  'an eigenvalue of −%d raises damping to %d, told without the rounding of the tenfold',
  async (below, damping, told) => {
    const outcome = await prunedWith(below);
    expect(outcome?.damping).toBe(damping);
    expect(outcome?.notes).toEqual([
      `damping raised from 0.000001 to ${told}: the Hessian was not positive definite`,
    ]);
  },
);

it('gives up by name where damping of ten thousand times as much is too little', async () => {
  const pruning = prunedWith(4e-2);
  await expect(pruning).rejects.toThrow(RunError);
  await expect(pruning).rejects.toThrow(
    'test: the Hessian is not positive definite at feature 0, even with damping 0.01; ' +
      'more calibration tokens or prune.options.damping would help',
  );
});
