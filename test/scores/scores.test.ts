import { afterAll, describe, expect, it } from 'vitest';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { gblm } from '../../src/scores/gblm.js';
import { gradient } from '../../src/scores/gradient.js';
import { magnitude } from '../../src/scores/magnitude.js';
import { obd } from '../../src/scores/obd.js';
import { ria } from '../../src/scores/ria.js';
import { scoreByName, scores } from '../../src/scores/score-registry.js';
import { wanda } from '../../src/scores/wanda.js';
import { wandaPlusPlus } from '../../src/scores/wanda-plus-plus.js';
import { describeScore, randomProblem, scoresOf } from './conformance.js';

const pools = [new WorkerPool(1), new WorkerPool(2), new WorkerPool(3)] as const;
afterAll(() => Promise.all(pools.map((pool) => pool.close())));

for (const score of scores) describeScore(score, {}, pools);
describeScore(obd, { hessian: 'fisher' }, pools);
for (const taylor of ['none', 'first'])
  for (const aggregate of ['window', 'set']) describeScore(gradient, { taylor, aggregate }, pools);

it('the registry finds every score by its own name, and only once', () => {
  for (const score of scores) expect(scoreByName(score.name)).toBe(score);
  expect(new Set(scores.map(({ name }) => name)).size).toBe(scores.length);
  expect(() => scoreByName('magnitud')).toThrow('no score magnitud');
});

it('magnitude is |w|, whatever the inputs', () => {
  const problem = randomProblem(11, 29);
  expect(scoresOf(magnitude, problem)).toEqual(problem.weights.map(Math.abs));
  expect(magnitude.comparisonGroup).toBe('tensor');
});

it('wanda is |w_ij|·‖X_j‖₂, within a row', () => {
  const problem = randomProblem(11, 29);
  const expected = problem.weights.map((w, i) => Math.abs(w) * (problem.columnNorms[i % 29] as number));
  expect(scoresOf(wanda, problem)).toEqual(expected);
  expect(wanda.comparisonGroup).toBe('row');
});

it('wanda gives the masks of a worked example', () => {
  // Rows [4 0.1 -1 2] and [1 -1 3 1] with norms [8 8 1 2]: scores [32 0.8 1 4] and [8 8 3 2].
  const problem = {
    rows: 2,
    columns: 4,
    weights: Float32Array.of(4, 0.1, -1, 2, 1, -1, 3, 1),
    columnNorms: Float32Array.of(8, 8, 1, 2),
  };
  expect([...scoresOf(wanda, problem)]).toEqual([32, Math.fround(Math.fround(0.1) * 8), 1, 4, 8, 8, 3, 2]);
});

it('obd orders a matrix by ½·w²·H_jj', () => {
  const problem = randomProblem(11, 29);
  const loss = problem.weights.map((w, i) => 0.5 * w ** 2 * (problem.columnNorms[i % 29] as number) ** 2);
  const order = (values: Float32Array) =>
    [...values.keys()].sort((a, b) => (values[a] as number) - (values[b] as number) || a - b);
  const scores = scoresOf(obd, problem);
  for (const [i, score] of scores.entries()) expect(0.5 * score ** 2).toBeCloseTo(loss[i] as number, 3);
  const nonZero = (list: number[]) => list.filter((i) => (loss[i] as number) > 1e-6);
  expect(nonZero(order(scores))).toEqual(nonZero(order(loss)));
  expect(obd.comparisonGroup).toBe('tensor');
});

it.each([0, 0.5, 1, 2])(
  'ria is (|w| / row sum + |w| / column sum) · ‖X_j‖₂^a, within a row, for an exponent a of %d',
  (exponent) => {
    const problem = randomProblem(11, 29);
    const size = (row: number, column: number) => Math.abs(problem.weights[row * 29 + column] as number);
    const indices = (length: number) => Array.from({ length }, (_, i) => i);
    const rowSums = indices(11).map((row) => indices(29).reduce((sum, column) => sum + size(row, column), 0));
    const columnSums = indices(29).map((column) =>
      indices(11).reduce((sum, row) => sum + size(row, column), 0),
    );
    const scores = scoresOf(ria, problem, { exponent });
    for (const [i, score] of scores.entries()) {
      const [row, column] = [Math.floor(i / 29), i % 29];
      const share =
        size(row, column) / (rowSums[row] as number) + size(row, column) / (columnSums[column] as number);
      const exact = share * (problem.columnNorms[column] as number) ** exponent;
      expect(Math.abs(score - exact)).toBeLessThanOrEqual(exact * 1e-6);
    }
    expect(ria.comparisonGroup).toBe('row');
  },
);

it('ria gives a row and a column of zeros no share, and stays finite', () => {
  const problem = {
    rows: 2,
    columns: 2,
    weights: Float32Array.of(0, 0, 0, 3),
    columnNorms: Float32Array.of(4, 9),
  };
  expect([...scoresOf(ria, problem)]).toEqual([0, 0, 0, 6]);
});

describe('scores of gradients', () => {
  const problem = randomProblem(11, 29);
  const { weights, columnNorms, gradients } = problem;
  const mean = (i: number) => gradients.mean[i] as number;
  const fisher = (i: number) => (gradients['root mean square'][i] as number) ** 2;
  const expectClose = (scores: Float32Array, formula: (w: number, i: number) => number) => {
    for (const [i, score] of scores.entries()) {
      const exact = formula(weights[i] as number, i);
      // The second order is a difference, whose terms are rounded.
      const size = Math.abs((weights[i] as number) * mean(i)) + Math.abs(exact);
      expect(Math.abs(score - exact)).toBeLessThanOrEqual(size * 1e-6);
    }
  };

  it.each<[string, string, (w: number, i: number) => number]>([
    ['none', 'window', (_, i) => Math.sqrt(fisher(i))],
    ['none', 'set', (_, i) => Math.abs(mean(i))],
    ['first', 'window', (w, i) => Math.abs(w) * Math.sqrt(fisher(i))],
    ['first', 'set', (w, i) => Math.abs(w * mean(i))],
    ['second', 'window', (w, i) => Math.abs(w * mean(i) - 0.5 * w ** 2 * fisher(i))],
  ])('gradient, taylor %s, aggregate %s', (taylor, aggregate, formula) => {
    expectClose(scoresOf(gradient, problem, { taylor, aggregate }), formula);
    expect(gradient.comparisonGroup).toBe('tensor');
  });

  it.each([0, 1, 100])('gblm is |w|·(‖X_j‖₂ + %d·‖g‖₂), within a row', (alpha) => {
    const scores = scoresOf(gblm, problem, { alpha });
    expectClose(
      scores,
      // The norms of 2048 tokens, from those of one, and of the gradients of 128 windows of as many; times √2048.
      (w, i) => Math.abs(w) * ((columnNorms[i % 29] as number) * 2048 + alpha * Math.sqrt(128 * fisher(i))),
    );
    expect(gblm.comparisonGroup).toBe('row');
  });

  it.each([0, 1, 100])('wanda++ is |w|·(%d·G + ‖X_j‖₂), within a row', (alpha) => {
    const scores = scoresOf(wandaPlusPlus, problem, { alpha });
    expectClose(
      scores,
      // The norms of 128 windows of one token, from those of one.
      (w, i) =>
        Math.abs(w) * ((columnNorms[i % 29] as number) * Math.sqrt(128) + alpha * Math.sqrt(fisher(i))),
    );
    expect(wandaPlusPlus.comparisonGroup).toBe('row');
  });

  it('gblm weighs gradients of short windows as those of 2048 tokens', () => {
    const norms = Float32Array.of(3, 5);
    const inputs = { columnNorms: norms, rowSums: new Float64Array(), columnSums: new Float64Array() };
    const columnsOf = (tokens: number, gradientTokens: number) =>
      gblm.vectors({ ...inputs, tokens, gradientTokens }, { alpha: 1 }).columns[0];
    // Sixteen windows: norms are a quarter for one, and a gradient of a fourth of its tokens is twice as large.
    expect(columnsOf(16 * 2048, 2048)).toEqual(norms.map((norm) => norm / 4));
    expect(columnsOf(16 * 2048, 512)).toEqual(norms.map((norm) => norm / 2));
    expect(columnsOf(16 * 512, 512)).toEqual(norms);
  });

  it('wanda++ takes the norms to windows as long as those of the gradients', () => {
    const inputs = { rowSums: new Float64Array(), columnSums: new Float64Array() };
    const norms = Float32Array.of(3, 5);
    const { columns } = wandaPlusPlus.vectors(
      { columnNorms: norms, tokens: 64 * 2048, gradientTokens: 512, ...inputs },
      { alpha: 1 },
    );
    // Half as many windows, each four times as long: half the tokens are left.
    expect(columns[0]).toEqual(norms.map((norm) => norm * Math.sqrt(0.5)));
  });

  it('obd with the Fisher information orders weights by ½·w²·F', () => {
    const scores = scoresOf(obd, problem, { hessian: 'fisher' });
    expectClose(
      scores.map((score) => 0.5 * score ** 2),
      (w, i) => 0.5 * w ** 2 * fisher(i),
    );
  });
});
