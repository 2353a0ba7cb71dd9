import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { global } from '../../src/pipeline/allocations/global.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { normals } from '../support/random.js';
import { storedMatrix } from '../support/stored.js';

const pool = new WorkerPool(2);
const folder = mkdtempSync(join(tmpdir(), 'secateur-global-'));
afterAll(async () => {
  await pool.close();
  rmSync(folder, { recursive: true });
});

const shapes = [
  [30, 40],
  [8, 40],
  [50, 12],
] as const;
const data = shapes.map(([rows, columns], i) => ({
  w: normals(rows * columns, i + 1).map((x) => x ** (2 * i + 1) * (i + 1)),
  norms: normals(columns, i + 7).map((x) => 0.2 + Math.abs(x)),
}));
const linears = data.map(({ w, norms }, i) => ({
  name: `${i}`,
  block: i === 2 ? 1 : 0,
  size: w.length,
  weights: storedMatrix(folder, `${i}`, w, shapes[i] as (typeof shapes)[number]),
  columnNorms: norms,
}));

const request = { linears, goal: 0.6, onStep: () => {} };
const zerosOf = async (options: object) => {
  const { sparsities, isExact } = await global.share(pool, request, global.options.parse(options));
  expect(isExact).toBe(true);
  return sparsities.map((sparsity, i) => Math.round(sparsity * (linears[i]?.size ?? 0)));
};

/** Scores of each linear, divided by what makes them comparable. */
function scores(score: string, standardise: string): number[][] {
  return data.map(({ w, norms }) => {
    const own = [...w].map((x, i) =>
      score === 'wanda' ? Math.abs(x) * (norms[i % norms.length] as number) : Math.abs(x),
    );
    const mean = (list: number[]) => list.reduce((sum, x) => sum + x, 0) / list.length;
    const by = { mean: mean(own), norm: Math.sqrt(mean(own.map((x) => x * x))), none: 1 }[standardise];
    return own.map((x) => x / (by as number));
  });
}

function bySorting(lists: readonly number[][], zeros: number): number[] {
  const all = lists.flatMap((list, linear) => list.map((score) => ({ score, linear })));
  const gone = all.sort((a, b) => a.score - b.score).slice(0, zeros);
  return lists.map((_, index) => gone.filter(({ linear }) => linear === index).length);
}

it.each([
  ['wanda', 'mean'],
  ['wanda', 'norm'],
  ['magnitude', 'mean'],
  ['magnitude', 'none'],
])('%s, standardised by %s: what sorting all scores gives', async (score, standardise) => {
  const total = linears.reduce((sum, { size }) => sum + size, 0);
  const expected = bySorting(scores(score, standardise), Math.floor(0.6 * total));
  expect(await zerosOf({ score, standardise, bound: 1 })).toEqual(expected);
});

it('among blocks: each loses as much', async () => {
  const [first, second, third] = scores('wanda', 'mean') as [number[], number[], number[]];
  const expected = [
    ...bySorting([first, second], Math.floor(0.6 * (first.length + second.length))),
    Math.floor(0.6 * third.length),
  ];
  expect(await zerosOf({ among: 'block', bound: 1 })).toEqual(expected);
});

it('goes no further than the bound, and still loses as much', async () => {
  const zeros = await zerosOf({ score: 'magnitude', standardise: 'none', bound: 0.1 });
  const total = linears.reduce((sum, { size }) => sum + size, 0);
  expect(zeros.reduce((sum, count) => sum + count, 0)).toBe(Math.floor(0.6 * total));
  for (const [i, count] of zeros.entries()) {
    expect(count / (linears[i]?.size ?? 1)).toBeGreaterThan(0.5 - 0.01);
    expect(count / (linears[i]?.size ?? 1)).toBeLessThanOrEqual(0.7);
  }
});

it('needs no calibration where it looks at weights alone', () => {
  expect(global.windows(global.options.parse({ score: 'magnitude' }))).toBe(0);
  expect(global.windows(global.options.parse({}))).toBe(32);
});
