import { afterAll, expect, it } from 'vitest';
import { owl } from '../../src/pipeline/allocations/owl.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { outlierRatio } from '../../src/statistics/outlier-ratio.js';
import { nativeTensor } from '../support/native.js';
import { normals } from '../support/random.js';

const pool = new WorkerPool(2);
afterAll(() => pool.close());

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
    const linears = data.map(({ rows, columns, w, norms }) => ({
      weights: nativeTensor(w, [rows, columns]),
      columnNorms: norms,
    }));
    expect(await outlierRatio(pool, linears, factor)).toBe(expected);
  }
});

it('spreads sparsity over 2λ, the least where most outliers are', () => {
  const linears = [0.01, 0.03, 0.02].map((measure, block) => ({ block, size: 100, measure }));
  const shared = owl.share(0.6, linears, { lambda: 0.08, outlier: 5, windows: 32 });
  expect(shared).toEqual([0.68, 0.52, 0.6].map((x) => expect.closeTo(x, 12)));
  const same = linears.map((linear) => ({ ...linear, measure: 0.01 }));
  expect(owl.share(0.6, same, { lambda: 0.08 })).toEqual([0.6, 0.6, 0.6]);
});
