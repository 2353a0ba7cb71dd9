/** What is prepared of a run before its texts are read is what is prepared with them. */
import { rmSync } from 'node:fs';
import { expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { loadRunFile } from '../../src/config/load-run-file.js';
import { memoryEstimator } from '../../src/pipeline/estimates/estimate-memory.js';
import { runSchema } from '../../src/pipeline/methods/method-registry.js';
import { type PreparedRun, prepareRun, prepareWithoutTexts } from '../../src/pipeline/prepare/prepare-run.js';
import { quickstartRuns } from '../support/quickstart-runs.js';

const { runFile, shallow, text } = quickstartRuns();

const PRUNES = [
  '{method: sparsegpt, pattern: "2:4"}',
  '{method: gblm, sparsity: 0.5, options: {windows: 4}, allocation: {name: owl, windows: 2}}',
  '{method: wanda++, sparsity: 0.5, options: {tokens: 32}}',
  '{method: magnitude, sparsity: 0.5}',
];

it('but for tokens', async () => {
  const before = [];
  for (const prune of PRUNES)
    before.push(await prepareRun(loadRunFile(runFile({ prune }).path, runSchema).config));
  rmSync(text);
  for (const read of before) {
    const run = await prepareWithoutTexts(read.config, await openCheckpoint(shallow));
    const { windows, gramWindows, shards, notes } = read;
    expect(run).toMatchObject({ windows, gramWindows, shards, notes });
    expect([run.gradients, run.regional, run.loss]).toEqual([read.gradients, read.regional, read.loss]);
    expect(run.allocation.windows).toBe(read.allocation.windows);
    const memory = (each: PreparedRun) => memoryEstimator(each, 0)(each.memory);
    expect(memory(run)).toEqual(memory(read));
  }
});
