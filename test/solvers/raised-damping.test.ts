import { afterAll, expect, it } from 'vitest';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { sparseGpt } from '../../src/solvers/sparsegpt.js';
import { nativeTensor, stripGram } from '../support/native.js';

const pool = new WorkerPool(1);
afterAll(() => pool.close());

it('tells raised damping without the rounding of the tenfold', async () => {
  // An eigenvalue of −4e-6, so that 1e-6 of the diagonal is too little and 1e-5 enough; 1e-6 · 10 isn't 1e-5.
  const gram = stripGram(Float32Array.of(1, 1 + 4e-6, 1 + 4e-6, 1), 2, 2);
  const weights = nativeTensor(Float32Array.of(1, 2, 3, 4), [2, 2]);
  const pattern = { kind: 'unstructured', sparsity: 0.5 } as const;
  const options = { damping: 1e-6, block_size: 2 };
  const outcomes = await sparseGpt(pool, 'test', gram, [{ name: 'w', weights, pattern }], options);
  expect(outcomes.get('w')?.damping).toBe(1e-5);
  expect(outcomes.get('w')?.notes).toEqual([
    'damping raised from 0.000001 to 0.00001: the Hessian was not positive definite',
  ]);
});
