import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { outlierShares } from '../../src/pipeline/allocations/owl.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { outlierRatio } from '../../src/statistics/outlier-ratio.js';
import { normals } from '../support/random.js';
import { storedMatrix } from '../support/stored.js';

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
