/** What `calibration.inputs: auto` comes to, beside runs and plans that are told what to take. */
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { loadRunFile } from '../../src/config/load-run-file.js';
import { prune } from '../../src/index.js';
import { estimateFlops } from '../../src/pipeline/estimates/estimate-flops.js';
import { runSchema } from '../../src/pipeline/methods/method-registry.js';
import { type PreparedRun, prepareWithoutTexts } from '../../src/pipeline/prepare/prepare-run.js';
import { quickstartRuns, tensorHashes } from '../support/quickstart-runs.js';

const { text, shallow, runFile } = quickstartRuns();

const PATTERN = 'pattern: "2:4"';
const PATTERN_BY_RULE = 'sparsity: 0.5, rules: [{match: "*", pattern: "2:4"}]';
const ATTENTION_BY_RULE = 'pattern: "2:4", rules: [{match: "*self_attn*", sparsity: 0.5}]';

const settings = (goal: string, more: string, method = 'wanda') => ({
  calibration: `{data: ${text}, samples: 3, sequence_length: 64${more}}`,
  prune: `{method: ${method}, ${goal}}`,
});

async function prepared(...given: Parameters<typeof settings>): Promise<PreparedRun> {
  const { config } = loadRunFile(runFile(settings(...given)).path, runSchema);
  return await prepareWithoutTexts(config, await openCheckpoint(shallow));
}

/** Operations of the passes in which linears are measured. */
async function measuring(...given: Parameters<typeof settings>): Promise<number> {
  return estimateFlops(await prepared(...given)).forward;
}

/** Hashes of the tensors that come of it. */
async function pruned(goal: string, more: string): Promise<Record<string, string>> {
  const { path, output } = runFile(settings(goal, more));
  await prune(path);
  return tensorHashes(output);
}

describe('automatic inputs', () => {
  it.each([
    [PATTERN, 'mixed'],
    [PATTERN_BY_RULE, 'mixed'],
    ['sparsity: 0.5, rules: [{match: "*.k_proj", pattern: "2:4"}]', 'mixed'],
    ['pattern: "2:4", rules: [{match: "*.q_proj", keep: dense}]', 'mixed'],
    [ATTENTION_BY_RULE, 'pruned'],
    ['sparsity: 0.5', 'pruned'],
    ['sparsity: 0.5, rules: [{match: "*.mlp.*", pattern: "2:4"}]', 'pruned'],
    ['sparsity: 0.5, rules: [{match: "*.o_proj", pattern: "2:4"}]', 'pruned'],
  ] as const)('%s: the passes of %s', async (goal, expected) => {
    const asPruned = await measuring(goal, ', inputs: pruned');
    const asMixed = await measuring(goal, ', inputs: mixed');
    expect(asMixed).toBeGreaterThan(asPruned);
    expect(await measuring(goal, '')).toBe(expected === 'mixed' ? asMixed : asPruned);
  });

  it('are those of each block', async () => {
    const goal = 'sparsity: 0.5, rules: [{match: "*layers.1.self_attn.q_proj", pattern: "2:4"}]';
    // The model's two blocks are alike.
    const both =
      (await measuring(goal, ', inputs: pruned')) / 2 + (await measuring(goal, ', inputs: mixed')) / 2;
    expect(await measuring(goal, '')).toBe(both);
  });

  it('are pruned with recovery, whatever has a pattern', async () => {
    const own = await measuring(PATTERN_BY_RULE, ', recovery: 0.3', 'sparsegpt');
    expect(own).toBe(await measuring(PATTERN_BY_RULE, ', recovery: 0.3, inputs: pruned', 'sparsegpt'));
  });

  it('give the weights of the same pattern for every linear, wherever it is written', async () => {
    const own = await pruned(PATTERN_BY_RULE, '');
    expect(own).toEqual(await pruned(PATTERN, ''));
    expect(own).toEqual(await pruned(PATTERN, ', inputs: mixed'));
    expect(own).not.toEqual(await pruned(PATTERN, ', inputs: pruned'));
  });

  it('give the weights of pruned inputs where attention has no pattern', async () => {
    const own = await pruned(ATTENTION_BY_RULE, '');
    expect(own).toEqual(await pruned(ATTENTION_BY_RULE, ', inputs: pruned'));
    expect(own).not.toEqual(await pruned(ATTENTION_BY_RULE, ', inputs: mixed'));
  });

  it.each([
    [PATTERN, '', 'auto'],
    ['sparsity: 0.5', '', 'auto'],
    [PATTERN_BY_RULE, ', inputs: dense', 'dense'],
    [PATTERN_BY_RULE, '', ['mixed', 'mixed']],
    ['sparsity: 0.5, rules: [{match: "*.1.*", pattern: "2:4"}]', '', ['pruned', 'mixed']],
  ])('%s%s: are %j in the fingerprint', async (goal, more, expected) => {
    const { fingerprintParts } = await prepared(goal, more);
    expect(fingerprintParts['calibration.inputs']).toEqual(expected);
  });
});
