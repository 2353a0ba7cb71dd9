import { afterAll, describe, expect, it } from 'vitest';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { inversionTaskBytes, invertSymmetric } from '../../src/solvers/invert-symmetric.js';
import type { InversionStep } from '../../src/solvers/invert-symmetric-task.js';
import { float32View } from '../../src/system/native-memory.js';
import { nativeTensor } from '../support/native.js';
import { normals } from '../support/random.js';

const pools = [new WorkerPool(1), new WorkerPool(2), new WorkerPool(3)] as const;
afterAll(() => Promise.all(pools.map((pool) => pool.close())));

/** Well-conditioned, with rows and columns of different scales. */
function positiveDefinite(n: number): Float32Array {
  const b = normals(n * 24, n);
  const matrix = new Float32Array(n * n);
  const scale = (i: number) => 2 ** ((i % 9) - 4);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = i === j ? 2 : 0;
      for (let k = 0; k < 24; k++) sum += (b[i * 24 + k] as number) * (b[j * 24 + k] as number) * 0.1;
      matrix[i * n + j] = matrix[j * n + i] = sum * scale(i) * scale(j);
    }
  }
  return matrix;
}

describe('the inverse of a symmetric matrix', () => {
  it.each([1, 2, 17, 96, 97, 200, 575, 769, 900, 2080])('of %i rows times the matrix is 1', async (n) => {
    const matrix = positiveDefinite(n);
    const { address } = nativeTensor(matrix, [n, n]);
    expect(await invertSymmetric(pools[1], address, n)).toBeUndefined();
    const inverse = float32View(address, n * n);
    // Rows of the product that are spread over the matrix.
    for (let i = 0; i < n; i += Math.max(1, Math.floor(n / 11))) {
      const row = new Float64Array(n);
      for (let k = 0; k < n; k++) {
        const factor = inverse[i * n + k] as number;
        for (let j = 0; j < n; j++) row[j] = (row[j] as number) + factor * (matrix[k * n + j] as number);
      }
      // In units of the scales, 2^(i mod 9 − 4).
      const worst = row.reduce(
        (most, value, j) => Math.max(most, Math.abs(value - (i === j ? 1 : 0)) * 2 ** ((i % 9) - (j % 9))),
        0,
      );
      expect(worst).toBeLessThan(2e-5);
    }
  });

  it('is the same to the bit with 1, 2 and 3 workers', async () => {
    const matrix = positiveDefinite(800);
    const results = await Promise.all(
      pools.map(async (pool) => {
        const { address } = nativeTensor(matrix, [800, 800]);
        await invertSymmetric(pool, address, 800);
        return float32View(address, matrix.length);
      }),
    );
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
  });

  it.each([1500, 8192, 20_000])('of %i rows keeps as much in a worker as it is said to', async (n) => {
    const most = { a: 0, b: 0, product: 0, transposed: 0 };
    const note = (step: InversionStep) => {
      const size = ({ rows, columns }: { rows: number; columns: number }) => rows * columns;
      if (step.kind === 'multiply') {
        most.a = Math.max(most.a, size(step.a));
        most.b = Math.max(most.b, size(step.b));
        most.product = Math.max(most.product, size(step.out));
      } else if (step.kind === 'transpose') most.transposed = Math.max(most.transposed, 2 * size(step.from));
    };
    const map = async (_module: string, _run: unknown, tasks: readonly (readonly InversionStep[])[]) => {
      for (const step of tasks.flat()) note(step);
      return tasks.map(() => -1);
    };
    // It gets no memory: nothing is computed.
    await invertSymmetric({ map } as unknown as WorkerPool, 0n, n);
    const bytes = (most.a + most.b + most.product + most.transposed) * 4;
    expect(inversionTaskBytes(n)).toBeGreaterThanOrEqual(bytes);
    expect(inversionTaskBytes(n)).toBeLessThan(bytes * 1.5);
    // And not with n².
    expect(bytes).toBeLessThan(3200 * n + 8e6);
  });

  it.each([50, 400, 900])('says at which of %i rows a matrix is not positive definite', async (n) => {
    const matrix = positiveDefinite(n);
    matrix[40 * n + 40] = -1;
    const { address } = nativeTensor(matrix, [n, n]);
    expect(await invertSymmetric(pools[1], address, n)).toBe(40);
  });
});
