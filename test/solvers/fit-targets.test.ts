/** The weights that targets ask for, against the normal equations. */
import { afterAll, expect, it } from 'vitest';
import { RunError } from '../../src/errors.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { fitTargets } from '../../src/solvers/fit-targets.js';
import { float32View } from '../../src/system/native-memory.js';
import { nativeGram, nativeTensor, stripGram } from '../support/native.js';
import { normals } from '../support/random.js';
import { relativeError } from '../support/relative-error.js';

const pool = new WorkerPool(2);
afterAll(() => pool.close());

it('gives weights W′ with (W′ − W)·(XᵀX + λ′I) = share·Σ lack·xᵀ', async () => {
  const [tokens, features, rows] = [300, 130, 17];
  const x = normals(tokens * features, 1).map((value, i) => value * (1 + (i % features) / 20));
  const before = normals(rows * features, 2);
  const lacks = normals(rows * features, 3).map((value) => value * 50);
  const weights = nativeTensor(before, [rows, features]);
  const sums = nativeTensor(lacks, [rows, features]);
  await fitTargets(pool, nativeGram(x, tokens, features), [{ weights, sums }], 0.4, 'group');
  const after = float32View(weights.address, rows * features);
  expect([...float32View(sums.address, rows * features)]).toEqual([...after]);

  let trace = 0;
  for (const value of x) trace += value * value;
  const lambda = (0.01 * trace) / features;
  const actual = new Float64Array(rows * features);
  for (let i = 0; i < rows; i++) {
    const change = Array.from(
      { length: features },
      (_, j) => (after[i * features + j] as number) - (before[i * features + j] as number),
    );
    const outputs = Array.from({ length: tokens }, (_, t) =>
      change.reduce((sum, value, j) => sum + value * (x[t * features + j] as number), 0),
    );
    for (let j = 0; j < features; j++) {
      const products = outputs.reduce((sum, value, t) => sum + value * (x[t * features + j] as number), 0);
      actual[i * features + j] = products + lambda * (change[j] as number);
    }
  }
  expect(
    relativeError(
      actual,
      lacks.map((value) => 0.4 * value),
    ),
  ).toBeLessThan(1e-4);
});

it('leaves zeros as they are', async () => {
  const weights = nativeTensor(Float32Array.of(1, 0, 2, 0), [2, 2]);
  const sums = nativeTensor(Float32Array.of(1, 2, 3, 4), [2, 2]);
  const gram = stripGram(Float32Array.of(2, 1, 1, 2), 2, 1);
  await fitTargets(pool, gram, [{ weights, sums }], 1, 'group');
  const after = [...float32View(weights.address, 4)];
  expect(after.map((value) => value === 0)).toEqual([false, true, false, true]);
});

it('says which group has no solution', async () => {
  const gram = stripGram(Float32Array.of(1, 5, 5, 1), 2, 1);
  const weights = nativeTensor(Float32Array.of(1, 2), [1, 2]);
  const sums = nativeTensor(Float32Array.of(1, 2), [1, 2]);
  const fit = fitTargets(pool, gram, [{ weights, sums }], 1, 'model.layers.3.: mlp');
  await expect(fit).rejects.toThrow(RunError);
  await expect(fit).rejects.toThrow('model.layers.3.: mlp');
});
