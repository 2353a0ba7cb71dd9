import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { outlierShares, owl } from '../../src/pipeline/allocations/owl.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { outlierRatio } from '../../src/statistics/outlier-ratio.js';
import { normals } from '../support/random.js';
import { storedMatrix } from '../support/stored.js';
import { denseLinears, linearData, unlike } from './conformance.js';

const pool = new WorkerPool(2);
const folder = mkdtempSync(join(tmpdir(), 'secateur-owl-'));
afterAll(async () => {
  await pool.close();
  rmSync(folder, { recursive: true });
});

it('counts outliers over all linears of a block together', async () => {
  const shapes = [
    [6, 10],
    [3, 8],
  ] as const;
  const data = shapes.map(([rows, columns], i) => ({
    rows,
    columns,
    w: normals(rows * columns, i + 1).map((x) => x ** 3),
    norms: normals(columns, i + 5).map(Math.abs),
  }));
  const products = data.flatMap(({ columns, w, norms }) =>
    [...w].map((x, i) => Math.abs(x) * (norms[i % columns] as number)),
  );
  const mean = products.reduce((sum, x) => sum + x, 0) / products.length;
  for (const factor of [0.5, 2, 5]) {
    const expected = products.filter((x) => x > factor * mean).length / products.length;
    const linears = data.map(({ rows, columns, w, norms }, i) => ({
      name: `${i}`,
      weights: storedMatrix(folder, `${i}`, w, [rows, columns]),
      columnNorms: norms,
    }));
    expect(await outlierRatio(pool, linears, factor)).toBe(expected);
  }
});

it('spreads sparsity over 2λ, the least where most outliers are', () => {
  const shared = outlierShares(0.6, [0.01, 0.03, 0.02], 0.08);
  expect(shared).toEqual([0.68, 0.52, 0.6].map((x) => expect.closeTo(x, 12)));
  expect(outlierShares(0.6, [0.01, 0.01, 0.01], 0.08)).toEqual([0.6, 0.6, 0.6]);
});

it('shares by the outliers of each block, on the inputs as they were measured', async () => {
  const list = [...unlike, linearData(2, [20, 30], 3, 5)];
  for (const [lambda, outlier] of [
    [0.08, 5],
    [0.3, 2],
  ] as const) {
    const ratios = [0, 1, 2].map((block) => {
      const products = list
        .filter((linear) => linear.block === block)
        .flatMap(({ w, norms }) => [...w].map((x, i) => Math.abs(x) * (norms[i % norms.length] as number)));
      const mean = products.reduce((sum, x) => sum + x, 0) / products.length;
      return products.filter((x) => x > outlier * mean).length / products.length;
    });
    const [least, most] = [Math.min(...ratios), Math.max(...ratios)];
    const expected = list.map(({ block }) => {
      const ratio = ratios[block] as number;
      return 0.6 + lambda - (2 * lambda * (ratio - least)) / (most - least);
    });
    expect(new Set(expected).size).toBe(3);
    const request = { linears: denseLinears(folder, list), goal: 0.6, onStep: () => {} };
    const { sparsities, isExact } = await owl.share(pool, request, { lambda, outlier });
    expect(isExact).toBe(false);
    expect(sparsities).toEqual(expected.map((share) => expect.closeTo(share, 12)));
  }
});
