/** Allocations on models of which some linears read too little to be measured. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSafetensorsHeader } from '../../src/checkpoint/safetensors-header.js';
import { type PruneResult, prune } from '../../src/index.js';
import { makeFamilyModel } from '../support/family-model.js';
import { isPrunedBlock, pruneUntil } from '../support/prune-until.js';
import { quickstart, quickstartRuns } from '../support/quickstart-runs.js';
import { makeShallowModel } from '../support/shallow-model.js';

const { newPath, runFile, text } = quickstartRuns(1);
const [WINDOWS, TOKENS, GOAL] = [4, 64, 0.5];
const moe = newPath('qwen3-moe');
makeFamilyModel('qwen3-moe', moe);
const shared = newPath('shared');

/** Pruned with all windows of the calibration for the allocation. */
function runOf(model: string, allocation: string, leastTokens: number, rules = '[]') {
  const experts = `{minimum_tokens: ${leastTokens}, fallback: magnitude}`;
  return runFile({
    model,
    calibration: `{data: ${text}, samples: ${WINDOWS}, sequence_length: ${TOKENS}, experts: ${experts}}`,
    prune: `{method: wanda, sparsity: ${GOAL}, allocation: ${allocation}, rules: ${rules}}`,
  });
}

/** Sparsities asked for, and whose experts got too few tokens of the calibration windows, as the report says. */
function layersOf({ report }: PruneResult) {
  return report.layers.map(({ name, target, notes }) => ({
    name,
    target,
    isStarved: / gets \d+ tokens /.test(notes.join()),
  }));
}

const notesOf = ({ report }: Pick<PruneResult, 'report'>) =>
  report.notes.filter((note) =>
    /gives the goal itself to \d+ linears, since their experts get fewer than 60 tokens/.test(note),
  );

/** With it, the tokens of the first block's experts are those of the dense model. */
const denseAttention = '[{match: "*.self_attn.*", keep: dense}]';

describe.each(['{name: loss}', '{name: global}', '{name: owl, lambda: 0.2}'])(
  '%s on a mixture of experts',
  (allocation) => {
    it('gives experts with too few tokens the goal itself, and says so', async () => {
      const { path } = runOf(moe, allocation, 60, denseAttention);
      // What the first of them measures the others find.
      const result = await prune(path, { reuse: shared });
      const first = layersOf(result).filter(({ name }) => name.startsWith('model.layers.0.mlp.'));
      const targets = (starving: boolean) =>
        first.filter(({ isStarved }) => isStarved === starving).map(({ target }) => target);
      expect(targets(true).length).toBeGreaterThan(0);
      expect(new Set(targets(true))).toEqual(new Set([GOAL]));
      expect(targets(false).length).toBeGreaterThan(0);
      expect(targets(false).filter((target) => target === GOAL)).not.toEqual(targets(false));
      const sharing = result.report.layers.filter(({ pattern }) => pattern !== 'dense');
      const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
      const half = GOAL * sum(sharing.map(({ numel }) => numel));
      const zeros = sum(sharing.map((layer) => layer.zeros));
      // Fewer than the largest linear has rows are left.
      expect(zeros).toBeLessThanOrEqual(half);
      expect(zeros).toBeGreaterThan(half - 32);
      expect(notesOf(result)).toHaveLength(1);
    });
  },
);

it('says it again when it is resumed', async () => {
  const once = await prune(runOf(moe, 'loss', 60, denseAttention).path, { reuse: shared });
  const { path } = runOf(moe, 'loss', 60, denseAttention);
  await pruneUntil(path, isPrunedBlock);
  const { report } = await prune(path);
  expect(report.phases.some(({ stage }) => stage === 'allocate')).toBe(false);
  expect(notesOf({ report })).toEqual(notesOf(once));
});

it('gives linears that read nothing but zeros the goal itself, and says so', async () => {
  const dead = newPath('dead');
  makeShallowModel(quickstart, dead, 2);
  const path = join(dead, 'model.safetensors');
  const file = readFileSync(path);
  const norm = readSafetensorsHeader(path).tensors.get('model.layers.1.post_attention_layernorm.weight');
  file.fill(0, norm?.offset, (norm?.offset ?? 0) + (norm?.bytes ?? 0));
  writeFileSync(path, file);
  const { report } = await prune(runOf(dead, 'loss', 1).path);
  const targets = new Map(report.layers.map(({ name, target }) => [name, target]));
  // Zeros of the gate and the up projection are zeros of the down projection.
  for (const linear of ['gate_proj', 'up_proj', 'down_proj']) {
    expect(targets.get(`model.layers.1.mlp.${linear}`), linear).toBeCloseTo(GOAL, 2);
    expect(targets.get(`model.layers.0.mlp.${linear}`), linear).not.toBeCloseTo(GOAL, 2);
  }
  expect(report.notes.join('\n')).toMatch(
    /loss gives the goal itself to 3 linears, since they read nothing but zeros in the 4 windows that it looks at: model\.layers\.1\.mlp\./,
  );
});
