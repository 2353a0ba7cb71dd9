/** What a run is told when it doesn't fit, and what its settings may not make larger. */
import { describe, expect, it } from 'vitest';
import { loadRunFile } from '../../src/config/load-run-file.js';
import { estimateFlops } from '../../src/pipeline/estimates/estimate-flops.js';
import { memoryEstimator } from '../../src/pipeline/estimates/estimate-memory.js';
import { estimateSeconds } from '../../src/pipeline/estimates/estimate-seconds.js';
import { runSchema } from '../../src/pipeline/methods/method-registry.js';
import { fitMemory } from '../../src/pipeline/prepare/fit-memory.js';
import { prepareRun } from '../../src/pipeline/prepare/prepare-run.js';
import { quickstartRuns } from '../support/quickstart-runs.js';

const { runFile } = quickstartRuns();

/** On 6 windows of 64 tokens. */
async function prepared(prune: string, evaluation?: string) {
  const { path } = runFile({ prune: `{sparsity: 0.5, method: ${prune}}`, ...(evaluation && { evaluation }) });
  return await prepareRun(loadRunFile(path, runSchema, { set: [] }).config);
}

describe('a batch of more windows than a round has', () => {
  it.each([
    ['in the method', (batch: number) => `wanda++, options: {rounds: 2, batch: ${batch}}`, 6],
    [
      'in the update',
      (batch: number) => `wanda, update: {name: regional, round_windows: 4, batch: ${batch}}`,
      4,
    ],
  ])('takes no more memory and time than one of all of them (%s)', async (_, method, all) => {
    const speed = { threadFlops: [1e10, 1e10], cores: 2, prepareSeconds: 0, startSeconds: 0 };
    const [fitting, larger] = await Promise.all(
      [all, 64].map(async (batch) => {
        const run = await prepared(method(batch));
        return {
          batch: run.regional?.optimisations[0]?.batch,
          memory: memoryEstimator(run, 0)(run.memory),
          seconds: estimateSeconds(run, estimateFlops(run), speed),
        };
      }),
    );
    expect(larger).toEqual(fitting);
    expect(larger?.batch).toBe(all);
  });
});

describe('a refusal', () => {
  it.each([
    ['wanda', 'a shorter calibration.sequence_length, it'],
    ['gradient', 'a shorter calibration.sequence_length, or with fewer prune.options.tokens, it'],
    [
      'wanda++, options: {rounds: 1}',
      'a shorter calibration.sequence_length, or with fewer prune.options.tokens, it',
    ],
    [
      'gblm, update: {name: regional, rounds: 1}',
      'a shorter calibration.sequence_length, or with fewer prune.options.tokens and prune.update.tokens, it',
    ],
  ])('names what makes the run smaller (%s)', async (method, words) => {
    const run = await prepared(method);
    expect(() => fitMemory(run, { resident: 0, available: 1 })).toThrow(`; with ${words} needs less`);
  });

  it('names nothing that makes no difference', async () => {
    const run = await prepared('magnitude');
    expect(() => fitMemory(run, { resident: 0, available: 1 })).toThrow(/is the smallest that works$/);
  });
});
