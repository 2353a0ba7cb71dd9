import { afterAll, describe, expect, it } from 'vitest';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { columnBlocks, reversedStrips } from '../../src/solvers/column-blocks.js';
import { activationOrder, naturalOrder } from '../../src/solvers/column-order.js';
import { factorElements, factorHessian } from '../../src/solvers/factor-hessian.js';
import { dampedDiagonal } from '../../src/solvers/hessian-diagonal.js';
import { allocateNative, float32View } from '../../src/system/native-memory.js';
import { nativeGram } from '../support/native.js';
import { correlatedActivations } from '../support/random.js';

const pool = new WorkerPool(1);
afterAll(() => pool.close());

/** U = P·M·P as a dense matrix, from M in reversed strips. */
function upperFactor(address: bigint, n: number, strips: ReturnType<typeof reversedStrips>): Float64Array {
  const u = new Float64Array(n * n);
  for (const { first, width, rows, offset } of strips) {
    const data = float32View(address + BigInt(offset * 4), rows * width);
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < width; j++) {
        u[(n - 1 - first - i) * n + (n - 1 - first - j)] = data[i * width + j] as number;
      }
    }
  }
  return u;
}

/** The damped Hessian (2/tokens)·XᵀX + damping·mean(diagonal)·I, dead inputs with 1 on the diagonal, in f64. */
function dampedHessian(x: Float32Array, tokens: number, n: number, damping: number): Float64Array {
  const h = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let t = 0; t < tokens; t++) sum += (x[t * n + i] as number) * (x[t * n + j] as number);
      h[i * n + j] = (2 / tokens) * sum;
    }
  }
  let mean = 0;
  for (let i = 0; i < n; i++) {
    if (h[i * n + i] === 0) h[i * n + i] = 1;
    mean += (h[i * n + i] as number) / n;
  }
  for (let i = 0; i < n; i++) h[i * n + i] = (h[i * n + i] as number) + damping * mean;
  return h;
}

async function factor(
  x: Float32Array,
  tokens: number,
  n: number,
  damping: number,
  blockSize: number,
  group = 1,
  workers = pool,
  order = naturalOrder(n),
) {
  const strips = reversedStrips(n, columnBlocks(n, blockSize, group));
  const { address } = allocateNative(factorElements(strips) * 4);
  const gram = nativeGram(x, tokens, n);
  const { dead, diagonal } = dampedDiagonal(gram, damping, 1);
  const failedAt = await factorHessian(workers, { gram, diagonal, order, strips, address });
  return { result: { dead, failedAt }, u: upperFactor(address, n, strips) };
}

describe('the factor of the Hessian', () => {
  it.each([
    [7, 128, 1],
    [96, 128, 1],
    [200, 64, 1],
    [257, 128, 1],
    [130, 10, 10],
    [130, 1, 1],
    [201, 3, 3],
  ])('n=%i, blocks of %i: Uᵀ·U·H is the identity', async (n, blockSize, group) => {
    const tokens = 2 * n;
    const x = correlatedActivations(tokens, n, n);
    const { result, u } = await factor(x, tokens, n, 0.01, blockSize, group);
    expect(result.failedAt).toBeUndefined();
    const h = dampedHessian(x, tokens, n, 0.01);
    let worst = 0;
    for (let i = 0; i < n; i++) {
      // Row i of Uᵀ·U, then times H.
      const row = new Float64Array(n);
      for (let k = 0; k <= i; k++) {
        for (let j = k; j < n; j++)
          row[j] = (row[j] as number) + (u[k * n + i] as number) * (u[k * n + j] as number);
      }
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let k = 0; k < n; k++) sum += (row[k] as number) * (h[k * n + j] as number);
        worst = Math.max(worst, Math.abs(sum - (i === j ? 1 : 0)));
      }
    }
    expect(worst).toBeLessThan(2e-3);
  });

  it('has the same bytes for any number of workers', async () => {
    // Rows of more than one task, and strips that no number of workers divides.
    const [n, tokens] = [1500, 300];
    const x = correlatedActivations(tokens, n, 6);
    const three = new WorkerPool(3);
    try {
      const { u: one } = await factor(x, tokens, n, 0.01, 256);
      const { u: other } = await factor(x, tokens, n, 0.01, 256, 1, three);
      expect(one.some((value) => value !== 0)).toBe(true);
      expect(Buffer.compare(Buffer.from(one.buffer), Buffer.from(other.buffer))).toBe(0);
    } finally {
      await three.close();
    }
  });

  it('computes narrow strips together', async () => {
    const [n, tokens] = [200, 400];
    const x = correlatedActivations(tokens, n, 7);
    let tasks = 0;
    const counting = {
      size: pool.size,
      run: (...task: Parameters<typeof pool.run>) => {
        tasks++;
        return pool.run(...task);
      },
      map: (...[file, run, list]: Parameters<typeof pool.map>) => {
        tasks += list.length;
        return pool.map(file, run, list);
      },
    } as unknown as WorkerPool;
    await factor(x, tokens, n, 0.01, 1, 1, counting);
    expect(tasks).toBeLessThan(30);
  });

  it('has U_jj² = [(H_{j:,j:})⁻¹]_jj', async () => {
    const n = 40;
    const x = correlatedActivations(120, n, 3);
    const { u } = await factor(x, 120, n, 0.01, 16);
    const h = dampedHessian(x, 120, n, 0.01);
    for (const j of [0, 5, 15, 16, 31, 39]) {
      expect((u[j * n + j] as number) ** 2 / trailingInverseHead(h, n, j)).toBeCloseTo(1, 4);
    }
  });

  it.each([1, 4])('in another order, in groups of %i, is that of the permuted activations', async (group) => {
    const [n, tokens] = [140, 280];
    const x = correlatedActivations(tokens, n, 8);
    const energies = new Float64Array(n);
    for (const [i, value] of x.entries()) energies[i % n] = (energies[i % n] as number) + value ** 2;
    const order = activationOrder(energies, group);
    const { u } = await factor(x, tokens, n, 0.01, 48, group, pool, order);
    const permuted = x.map((_, i) => x[i - (i % n) + (order[i % n] as number)] as number);
    expect(u).toEqual((await factor(permuted, tokens, n, 0.01, 48, group)).u);
    const sums = Array.from({ length: n / group }, (_, k) =>
      order
        .subarray(k * group, (k + 1) * group)
        .reduce((sum, column) => sum + (energies[column] as number), 0),
    );
    expect(sums).toEqual(sums.toSorted((a, b) => b - a));
    for (const [place, column] of order.entries()) expect(column % group).toBe(place % group);
    expect([...order].sort((a, b) => a - b)).toEqual([...naturalOrder(n)]);
  });

  it('names dead inputs and still factors', async () => {
    const n = 30;
    const x = correlatedActivations(60, n, 4);
    for (let t = 0; t < 60; t++) x[t * n + 11] = 0;
    const { result } = await factor(x, 60, n, 0.01, 8);
    expect([...result.dead].flatMap((dead, j) => (dead ? j : []))).toEqual([11]);
    expect(result.failedAt).toBeUndefined();
  });

  it('says where a matrix that is not positive definite fails', async () => {
    const n = 20;
    const tokens = 3;
    const x = correlatedActivations(tokens, n, 5);
    const strips = reversedStrips(n, columnBlocks(n, 128));
    const { address } = allocateNative(factorElements(strips) * 4);
    const gram = nativeGram(x, tokens, n);
    float32View(gram.address, n * n)[7 * n + 7] = -1;
    const { diagonal } = dampedDiagonal(gram, 1e-9, 1);
    const order = naturalOrder(n);
    const failedAt = await factorHessian(pool, { gram, diagonal, order, strips, address });
    expect(failedAt).toBeGreaterThanOrEqual(7);
  });
});

/** [(H_{j:,j:})⁻¹]_{00} by solving against the first unit vector, Gauss–Jordan in f64. */
function trailingInverseHead(h: Float64Array, n: number, j: number): number {
  const size = n - j;
  const a = Array.from({ length: size }, (_, r) =>
    Array.from({ length: size + 1 }, (_, c) =>
      c === size ? (r === 0 ? 1 : 0) : (h[(j + r) * n + j + c] as number),
    ),
  );
  for (let p = 0; p < size; p++) {
    const pivot = a[p]?.[p] as number;
    for (let c = p; c <= size; c++) (a[p] as number[])[c] = (a[p]?.[c] as number) / pivot;
    for (let r = 0; r < size; r++) {
      if (r === p) continue;
      const factor = a[r]?.[p] as number;
      for (let c = p; c <= size; c++)
        (a[r] as number[])[c] = (a[r]?.[c] as number) - factor * (a[p]?.[c] as number);
    }
  }
  return a[0]?.[size] as number;
}
