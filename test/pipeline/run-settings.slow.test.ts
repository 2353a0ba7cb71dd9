/** Whole runs: what settings beside the method do. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { plan, prune } from '../../src/index.js';
import { fileHashes, quickstartRuns, refusal, root, tensorHashes } from '../support/quickstart-runs.js';

const { folder, text, runFile } = quickstartRuns();

describe('a run', () => {
  it.each(['magnitude', 'wanda'])(
    'allocation owl: %s loses more in some blocks, as much in all',
    async (method) => {
      const goal =
        'sparsity: 0.6, allocation: {name: owl, windows: 4}, rules: [{match: "*.k_proj", keep: dense}]';
      const { path, output } = runFile({
        prune: `{method: ${method}, ${goal}}`,
        resources: '{workers: 3}',
      });
      const { report } = await prune(path);
      const layers = report.layers.filter(({ method: own }) => own !== 'dense');
      const numel = layers.reduce((sum, layer) => sum + layer.numel, 0);
      const rows = Math.max(...layers.map(({ shape }) => shape[0]));
      const zeros = layers.reduce((sum, layer) => sum + layer.zeros, 0);
      // Each matrix is rounded down; where rows are compared, one weight more of each row of a matrix wouldn't fit.
      expect(zeros).toBeLessThanOrEqual(0.6 * numel);
      expect(zeros).toBeGreaterThan(0.6 * numel - (method === 'wanda' ? rows : layers.length));
      const targets = new Set(layers.map(({ target }) => target.toFixed(6)));
      expect(targets.size).toBeGreaterThan(1);
      expect(report.phases.some(({ stage }) => stage === 'allocate')).toBe(true);
      const again = runFile({
        prune: `{method: ${method}, ${goal}}`,
        resources: '{workers: 1}',
      });
      await prune(again.path);
      expect(tensorHashes(again.output)).toEqual(tensorHashes(output));
    },
  );

  it('an allocation that looks at activations needs calibration', async () => {
    const given = runFile({
      prune: '{method: magnitude, sparsity: 0.5, allocation: owl}',
      calibration: null,
    });
    expect(await refusal(prune(given.path))).toContain('prune.allocation owl learns from calibration');
  });

  it('an update needs calibration, whatever the method', async () => {
    const given = runFile({
      prune: '{method: magnitude, sparsity: 0.5, update: least_squares}',
      calibration: null,
    });
    expect(await refusal(prune(given.path))).toContain('magnitude + least_squares learns from calibration');
  });

  it('magnitude needs no calibration', async () => {
    const { path } = runFile({ calibration: null, prune: '{method: magnitude, sparsity: 0.5}' });
    const { report } = await prune(path);
    expect(report.layers[0]?.output_error).toBeNull();
    expect(report.totals.sparsity).toBe(0.5);
  });

  it('follows rules, first match first', async () => {
    const rules = '[{match: "model.layers.0.*", keep: dense}, {match: "*.down_proj", pattern: "1:4"}]';
    const { path } = runFile({ prune: `{method: wanda, sparsity: 0.5, rules: ${rules}}` });
    const { report } = await prune(path);
    for (const layer of report.layers) {
      const expected = layer.block === 0 ? 0 : layer.name.endsWith('down_proj') ? 0.75 : 0.5;
      expect(layer.sparsity).toBe(expected);
    }
    expect(report.layers.filter(({ method }) => method === 'dense')).toHaveLength(7);
  });

  it.each([
    ['method: wanda, sparsity: 0.6, allocation: owl', 'sparsity 0.6', ', and owl has nothing to share'],
    [
      'method: magnitude, pattern: "2:4", options: {scope: model}',
      'pattern 2:4',
      ', and options.scope model has nothing to share',
    ],
    ['method: magnitude, options: {threshold: 0.1}', 'options.threshold', ''],
    ['method: wanda, sparsity: 0.6', 'sparsity 0.6', ''],
  ])('%s, and rules for all linears: says that the goal applies to none', async (settings, goal, sharing) => {
    const rules = '[{match: "*.mlp.*", keep: dense}, {match: "*", sparsity: 0.5}]';
    const { path } = runFile({ prune: `{${settings}, rules: ${rules}}` });
    const note = `prune.${goal} applies to no linear, since rules speak of all of them${sharing}`;
    const planned = await plan(path);
    expect(planned.notes.filter((each) => / applies to no | says what goes/.test(each))).toEqual([note]);
    const { report } = await prune(path);
    expect(report.notes).toContain(note);
    expect(report.phases.some(({ stage }) => stage === 'allocate')).toBe(false);
    for (const { name, sparsity } of report.layers) expect(sparsity).toBe(name.includes('mlp') ? 0 : 0.5);
  });

  it('evaluates before and after, on held-out and on calibration text', async () => {
    const { path } = runFile({
      evaluation: '{data: text.txt, context: 64, calibration_windows: 3}',
    });
    const held = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
    writeFileSync(join(folder, 'text.txt'), held.slice(0, 4000));
    const { report } = await prune(path);
    for (const entry of [report.evaluation, report.calibration_evaluation]) {
      expect(entry?.dense?.perplexity).toBeGreaterThan(1);
      expect(entry?.pruned?.perplexity).not.toBe(entry?.dense?.perplexity);
      expect(entry?.tokens).toBe((entry?.windows ?? 0) * 63);
    }
    expect(report.calibration_evaluation?.windows).toBe(3);
    const [calibration, evaluation] = report.run.texts ?? [];
    expect(calibration).toMatchObject({ use: 'calibration', source: text, files: [text] });
    expect(evaluation).toEqual({
      use: 'evaluation',
      source: join(folder, 'text.txt'),
      files: [join(folder, 'text.txt')],
      windows: report.evaluation?.windows,
      tokens: (report.evaluation?.windows ?? 0) * 64,
    });
  });

  it('measures dense inputs when asked to: only what lies behind pruned linears differs', async () => {
    const tensors = [];
    for (const inputs of ['pruned', 'mixed', 'dense']) {
      const { path, output } = runFile({
        calibration: `{data: ${text}, samples: 6, sequence_length: 64, inputs: ${inputs}}`,
        prune: '{method: wanda, sparsity: 0.5}',
      });
      await prune(path);
      tensors.push(tensorHashes(output));
    }
    const [pruned = {}, mixed = {}, dense = {}] = tensors;
    const differing = (one: Record<string, string>, other: Record<string, string>) =>
      Object.keys(one).filter((name) => one[name] !== other[name]);
    for (const other of [mixed, dense]) {
      const changed = differing(pruned, other);
      expect(changed).not.toContain('model.layers.0.self_attn.q_proj.weight');
      expect(changed).toContain('model.layers.0.self_attn.o_proj.weight');
      expect(changed).toContain('model.layers.0.mlp.down_proj.weight');
      expect(changed).toContain('model.layers.1.self_attn.q_proj.weight');
      expect(changed.every((name) => name.endsWith('_proj.weight'))).toBe(true);
    }
    // What attention gives is measured dense in both, and what the MLP reads in one of them.
    const first = differing(mixed, dense).filter((name) => name.includes('layers.0.'));
    expect(first).not.toContain('model.layers.0.self_attn.o_proj.weight');
    expect(first).toContain('model.layers.0.mlp.gate_proj.weight');
  });

  it('writes the same bytes with 1, 2 and 4 workers, and twice with 2, in any number of shards', async () => {
    const outputs = [];
    for (const workers of [1, 2, 4, 2]) {
      const { path, output } = runFile({
        resources: `{workers: ${workers}}`,
        rest: 'write: {max_shard_size: 1MB}',
      });
      await prune(path);
      outputs.push(fileHashes(output));
    }
    expect(Object.keys(outputs[0] ?? {}).filter((name) => name.endsWith('.safetensors'))).toHaveLength(3);
    for (const output of outputs) expect(output).toEqual(outputs[0]);
  });
});
