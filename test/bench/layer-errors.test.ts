/** bench/layer-errors: its figures against those of a run, and what it says of the order. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { prune } from '../../src/index.js';
import { quickstartRuns, root } from '../support/quickstart-runs.js';

const { folder, shallow, text, runFile } = quickstartRuns();
// The benchmark is plain JavaScript outside of what the compiler sees.
const { expectedPairs, summarise, violationsOf } = await import(
  new URL('../../bench/lib/error-order.mjs', import.meta.url).href
);

it('measures what a run reports of the linears of a block that read dense inputs', async () => {
  const out = join(folder, 'errors.json');
  const options = ['--samples', '6', '--sequence-length', '64', '--patterns', '2:4', '--blocks', '0'];
  const methods = ['--methods', 'wanda,sparsegpt', '--out', out];
  execFileSync(
    process.execPath,
    [
      join(root, 'bench/layer-errors.mjs'),
      ...['--model', shallow, '--calibration', text, '--workers', '2', ...options, ...methods],
    ],
    { stdio: 'ignore' },
  );
  const { linears } = JSON.parse(readFileSync(out, 'utf8'));
  expect(linears).toHaveLength(7);
  const calibration = `{data: ${text}, samples: 6, sequence_length: 64, inputs: dense}`;
  for (const method of ['wanda', 'sparsegpt']) {
    const { path } = runFile({ calibration, prune: `{method: ${method}, pattern: "2:4"}` });
    const { report } = await prune(path);
    for (const { name, errors } of linears) {
      const layer = report.layers.find((each) => each.name === `model.layers.0.${name}`);
      // A run rounds weights to bf16.
      expect(errors[method] / (layer?.output_error ?? 0)).toBeCloseTo(1, 2);
    }
  }
});

it('names the linears in which a better method has the larger error', () => {
  const linear = (name: string, alps: number, sparsegpt: number, wanda: number, thanos: number) => {
    return { block: 0, name, pattern: '2:4', errors: { wanda, sparsegpt, thanos, alps } };
  };
  const linears = [linear('q', 1, 2, 4, 1), linear('k', 3, 2, 4, 4), linear('v', 1, 1, 0.5, 1)];
  expect(expectedPairs(['wanda', 'thanos', 'alps', 'sparsegpt'])).toEqual([
    ['alps', 'sparsegpt'],
    ['sparsegpt', 'wanda'],
  ]);
  const place = { block: 0, pattern: '2:4' };
  expect(linears.flatMap(violationsOf)).toEqual([
    { ...place, name: 'k', better: 'alps', worse: 'sparsegpt', excess: 0.5 },
    { ...place, name: 'v', better: 'sparsegpt', worse: 'wanda', excess: 1 },
  ]);
  const { means, ordered, pairs, thanosBesideSparsegpt } = summarise(linears);
  expect(means.alps).toBeCloseTo(5 / 3, 12);
  expect(ordered).toBeCloseTo(1 / 3, 12);
  expect(pairs.map((pair: { ordered: number }) => pair.ordered)).toEqual([2 / 3, 2 / 3]);
  // 1/2 · 2 · 1
  expect(thanosBesideSparsegpt.ratio).toBeCloseTo(1, 12);
  expect(thanosBesideSparsegpt.lower).toBeCloseTo(1 / 3, 12);
});
