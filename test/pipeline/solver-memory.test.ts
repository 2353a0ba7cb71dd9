/** What workers keep of the tasks of solvers is part of the estimate. */
import { describe, expect, it } from 'vitest';
import { loadRunFile } from '../../src/config/load-run-file.js';
import { pruningMemory } from '../../src/pipeline/estimates/pruning-memory.js';
import { regionalMemory } from '../../src/pipeline/estimates/regional-memory.js';
import { runSchema } from '../../src/pipeline/methods/method-registry.js';
import { prepareRun } from '../../src/pipeline/prepare/prepare-run.js';
import { quickstartRuns } from '../support/quickstart-runs.js';

const { runFile, text } = quickstartRuns();

const nothing = { name: 'not looked at', bytes: 0 };
const common = {
  process: () => nothing,
  activations: () => nothing,
  routing: () => nothing,
  weights: nothing,
};

/** Of each moment, with three workers. */
async function buffers(prune: string, recovery = 0): Promise<number[]> {
  const calibration = `{data: ${text}, samples: 6, sequence_length: 64, recovery: ${recovery}}`;
  const { path } = runFile({ prune, calibration });
  const run = await prepareRun(loadRunFile(path, runSchema, { set: [] }).config);
  return pruningMemory(run, regionalMemory(run))
    .moments({ ...run.memory, workers: 3 }, common)
    .map(({ parts }) => parts.find(({ name }) => name === 'buffers of solvers')?.bytes ?? 0);
}

// The linears of the quickstart model with most weights are 192×512 and 512×192.
const FIT = 6 * 192 * 512 * 4;
/** Quarters of 512×512: two factors, a product, and one that is transposed. */
const INVERSION = 5 * 256 * 256 * 4;

describe('the memory of a run', () => {
  it.each([
    ['{method: alps, sparsity: 0.5}', 0, FIT + INVERSION],
    ['{method: admm, sparsity: 0.5}', 0, FIT + INVERSION],
    ['{method: wanda, sparsity: 0.5, update: {name: admm}}', 0, FIT + INVERSION],
    ['{method: wanda, sparsity: 0.5, update: {name: least_squares}}', 0, FIT],
    ['{method: sparsegpt, sparsity: 0.5}', 0, 512 * 128 * 5],
    ['{method: sparsegpt, sparsity: 0.5}', 0.5, 512 * 128 * 5 + INVERSION + 512 * 512 * 4],
    ['{method: wanda, sparsity: 0.5}', 0, 0],
  ])('of %s with recovery %d counts what every worker keeps', async (prune, recovery, each) => {
    const moments = await buffers(prune, recovery);
    expect(moments.length).toBeGreaterThan(0);
    expect([...new Set(moments)]).toEqual([3 * each]);
  });
});
