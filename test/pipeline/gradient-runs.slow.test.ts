/** Runs of methods that learn from gradients, the model's or a block's own. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { prune } from '../../src/index.js';
import { quickstartRuns, tensorHashes } from '../support/quickstart-runs.js';

const { runFile } = quickstartRuns();

/** Prunes but for an MLP, and counts. @param perRow whether each row loses as much */
async function prunedExactly(method: string, perRow: boolean, workers: number) {
  const { path, output } = runFile({
    prune: `{method: ${method}, sparsity: 0.61, rules: [{match: "*.1.mlp.*", keep: dense}]}`,
    resources: `{workers: ${workers}}`,
  });
  const { report } = await prune(path);
  for (const layer of report.layers) {
    const [rows, columns] = layer.shape;
    const wanted = perRow ? rows * Math.floor(columns * 0.61) : Math.floor(layer.numel * 0.61);
    expect(layer.zeros).toBe(layer.method === 'dense' ? 0 : wanted);
  }
  expect(report.layers.filter((layer) => layer.method === 'dense')).toHaveLength(3);
  expect(report.phases.some(({ phase }) => phase === 'backward')).toBe(true);
  expect(readdirSync(join(output, 'secateur')).filter((name) => /f32|hidden/.test(name))).toEqual([]);
  return tensorHashes(output);
}

it.each([
  ['gradient', false],
  ['gblm, options: {windows: 4}', true],
  ['obd, options: {hessian: fisher}', false],
  ['wanda++, options: {rounds: 0}', true],
])('%s: exact zeros', async (method, perRow) => {
  await prunedExactly(method, perRow, 1);
});

// Both moments of the model's gradients, and each way of a block's own: what differs above is the score.
it.each([
  ['gradient, options: {taylor: second, windows: 4}', false],
  [
    'gblm, options: {windows: 4}, update: {name: regional, rounds: 2, round_windows: 4, batch: 3, learning_rate: 0.001}',
    true,
  ],
  ['wanda++, options: {rounds: 2, round_windows: 2, learning_rate: 0.001}', true],
  ['wanda++, options: {rounds: 2, round_windows: 2, batch: 2, learning_rate: 0.001, regrow: true}', true],
])('%s: exact zeros, the same bytes with any number of workers', async (method, perRow) => {
  const one = await prunedExactly(method, perRow, 1);
  expect(await prunedExactly(method, perRow, 3)).toEqual(one);
});
