/** Whole runs: what they write, method by method and setting by setting. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inspect, prune } from '../../src/index.js';
import { reportSchema } from '../../src/report/report-schema.js';
import {
  fileHashes,
  quickstart,
  quickstartRuns,
  refusal,
  root,
  tensorHashes,
} from '../support/quickstart-runs.js';

const { folder, shallow, runFile } = quickstartRuns();

describe('a run', () => {
  it.each<[method: string, goal: string, sparsity: number, model?: string]>([
    ['magnitude', 'sparsity: 0.3', 0.3],
    ['magnitude', 'pattern: "1:4"', 0.75],
    ['wanda', 'sparsity: 0.61', 0.61],
    ['wanda', 'pattern: "4:8"', 0.5],
    ['sparsegpt', 'sparsity: 0.37', 0.37],
    ['sparsegpt', 'pattern: "2:4"', 0.5, quickstart],
    ['sparsegpt', 'sparsity: 0.37, options: {order: activation}', 0.37],
    ['thanos', 'sparsity: 0.37', 0.37],
    ['thanos', 'pattern: "2:4"', 0.5],
    ['ria', 'sparsity: 0.61', 0.61],
    ['alps', 'sparsity: 0.37, options: {iterations: 6}', 0.37],
    ['admm', 'pattern: "2:4", options: {iterations: 4, gradual: 3}', 0.5],
  ])(
    '%s with %s: exact zeros, valid groups, everything else untouched',
    async (method, goal, sparsity, model = shallow) => {
      const { path, output } = runFile({ model, prune: `{method: ${method}, ${goal}}` });
      const { report } = await prune(path);
      expect(reportSchema.parse(report)).toEqual(report);
      const [, pattern] = /"(\d+:\d+)"/.exec(goal) ?? [];
      const inspected = await inspect(output, { pattern });
      expect(report.layers).toHaveLength(model === quickstart ? 42 : 14);
      for (const layer of report.layers) {
        const tensor = inspected.tensors.find(({ name }) => name === `${layer.name}.weight`);
        const [rows, columns] = layer.shape;
        const wanted =
          ['wanda', 'ria'].includes(method) && !pattern
            ? rows * Math.floor(columns * sparsity)
            : Math.floor(layer.numel * sparsity);
        expect(tensor?.zeros).toBe(layer.zeros);
        expect(layer.zeros).toBe(wanted);
        if (pattern) expect(tensor?.violations).toBe(0);
        if (method === 'magnitude') {
          expect(layer.output_error).toBeNull();
          continue;
        }
        expect(layer.output_error).toBeGreaterThan(0);
        expect(layer.output_error).toBeLessThan(1);
      }
      const source = fileHashes(model);
      const written = fileHashes(output);
      expect(written['config.json']).toBe(source['config.json']);
      expect(written['tokenizer.json']).toBe(source['tokenizer.json']);
      const embedding = inspected.tensors.find(({ name }) => name === 'model.embed_tokens.weight');
      expect(embedding?.zeros).toBe(0);
      expect(inspected.tensors.map(({ name }) => name).sort()).toEqual(
        Object.keys(tensorHashes(model)).sort(),
      );
    },
  );

  it.each(['least_squares', '{name: admm, iterations: 12}'])(
    'update: %s gives other weights to what a method left, and a smaller output error',
    async (update) => {
      const alone = runFile({ prune: '{method: wanda, pattern: "2:4"}' });
      const updated = runFile({
        prune: `{method: wanda, pattern: "2:4", update: ${update}}`,
      });
      const [before, after] = [await prune(alone.path), await prune(updated.path)];
      for (const [i, layer] of after.report.layers.entries()) {
        expect(layer.zeros).toBe(before.report.layers[i]?.zeros);
        expect(layer.method).toMatch(/^wanda \+ /);
        expect(layer.predicted_loss).toBeGreaterThan(0);
      }
      // What is measured before any linear is updated has the same inputs.
      const first = (report: typeof after.report) =>
        report.layers.find(({ name }) => name === 'model.layers.0.self_attn.q_proj')?.output_error ?? 0;
      expect(first(after.report)).toBeLessThan(0.9 * first(before.report));
    },
  );

  it.each(['magnitude', 'wanda'])(
    'allocation owl: %s loses more in some blocks, as much in all',
    async (method) => {
      const goal =
        'sparsity: 0.6, allocation: {name: owl, windows: 4}, rules: [{match: "*.k_proj", keep: dense}]';
      const { path, output } = runFile({
        prune: `{method: ${method}, ${goal}}`,
        rest: 'resources: {workers: 3}',
      });
      const { report } = await prune(path);
      const layers = report.layers.filter(({ method: own }) => own !== 'dense');
      const numel = layers.reduce((sum, layer) => sum + layer.numel, 0);
      const rows = layers.reduce((sum, { shape }) => sum + shape[0], 0);
      const zeros = layers.reduce((sum, layer) => sum + layer.zeros, 0);
      // Each row, or each matrix, is rounded down.
      expect(zeros).toBeLessThanOrEqual(0.6 * numel);
      expect(zeros).toBeGreaterThan(0.6 * numel - (method === 'wanda' ? rows : layers.length));
      const targets = new Set(layers.map(({ target }) => target.toFixed(6)));
      expect(targets.size).toBeGreaterThan(1);
      expect(report.phases.some(({ stage }) => stage === 'allocate')).toBe(true);
      const again = runFile({
        prune: `{method: ${method}, ${goal}}`,
        rest: 'resources: {workers: 1}',
      });
      await prune(again.path);
      expect(tensorHashes(again.output)).toEqual(tensorHashes(output));
    },
  );

  it.each([
    ['wanda', 'tensor', false],
    ['magnitude', 'row', true],
  ])('%s with scope %s', async (method, scope, perRow) => {
    const { path, output } = runFile({
      prune: `{method: ${method}, sparsity: 0.61, options: {scope: ${scope}}}`,
    });
    const { report } = await prune(path);
    for (const { shape, numel, zeros } of report.layers) {
      const [rows, columns] = shape;
      expect(zeros).toBe(perRow ? rows * Math.floor(columns * 0.61) : Math.floor(numel * 0.61));
    }
    expect(Object.keys(fileHashes(output)).length).toBeGreaterThan(3);
  });

  it('an allocation that looks at activations needs calibration', async () => {
    const given = runFile({
      prune: '{method: magnitude, sparsity: 0.5, allocation: owl}',
      calibration: null,
    });
    expect(await refusal(prune(given.path))).toContain('prune.allocation owl learns from calibration');
  });

  it.each<[string, number, RegExp]>([
    ['{method: wanda, sparsity: 0.6, refine: dsnot}', 0.6, /^wanda \+ dsnot$/],
    [
      '{method: wanda, pattern: "2:4", refine: {name: dsnot, cycles: 20}, update: least_squares}',
      0.5,
      /^wanda \+ dsnot \+ least_squares$/,
    ],
  ])(
    '%s: other masks with as many zeros, the same bytes with any number of workers',
    async (given, sparsity, name) => {
      const plain = runFile({ prune: given.replace(/, refine.*/, '}') });
      await prune(plain.path);
      const outputs = [];
      for (const workers of [1, 3]) {
        const rest = `resources: {workers: ${workers}}`;
        const { path, output } = runFile({ prune: given, rest });
        const { report } = await prune(path);
        const [, pattern] = /"(\d+:\d+)"/.exec(given) ?? [];
        const { tensors } = await inspect(output, { pattern });
        for (const layer of report.layers) {
          const tensor = tensors.find((each) => each.name === `${layer.name}.weight`);
          const [rows, columns] = layer.shape;
          expect(layer.method).toMatch(name);
          expect(tensor?.zeros).toBe(rows * Math.floor(columns * sparsity));
          if (pattern) expect(tensor?.violations).toBe(0);
        }
        outputs.push(tensorHashes(output));
      }
      const [first = {}, second] = outputs;
      expect(second).toEqual(first);
      const before = tensorHashes(plain.output);
      const linears = Object.keys(first).filter((each) => each.endsWith('_proj.weight'));
      const changed = linears.filter((each) => first[each] !== before[each]);
      expect(changed.length).toBeGreaterThan(0.8 * linears.length);
    },
  );

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

  it('evaluates before and after, on held-out and on calibration text', async () => {
    const { path } = runFile({
      evaluation: '{data: text.txt, context: 64, calibration_windows: 3}',
    });
    const text = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
    writeFileSync(join(folder, 'text.txt'), text.slice(0, 4000));
    const { report } = await prune(path);
    for (const entry of [report.evaluation, report.calibration_evaluation]) {
      expect(entry?.dense?.perplexity).toBeGreaterThan(1);
      expect(entry?.pruned?.perplexity).not.toBe(entry?.dense?.perplexity);
      expect(entry?.tokens).toBe((entry?.windows ?? 0) * 63);
    }
    expect(report.calibration_evaluation?.windows).toBe(3);
  });

  it('measures dense inputs when asked to: only what lies behind pruned linears differs', async () => {
    const tensors = [];
    for (const inputs of ['pruned', 'mixed', 'dense']) {
      const data = join(root, 'calibration/general.jsonl');
      const { path, output } = runFile({
        calibration: `{data: ${data}, samples: 6, sequence_length: 64, inputs: ${inputs}}`,
        prune: '{method: wanda, sparsity: 0.5}',
      });
      await prune(path);
      tensors.push(tensorHashes(output));
    }
    const [pruned = {}, dense = {}] = tensors;
    const changed = Object.keys(pruned).filter((name) => pruned[name] !== dense[name]);
    expect(changed).not.toContain('model.layers.0.self_attn.q_proj.weight');
    expect(changed).toContain('model.layers.0.mlp.down_proj.weight');
    expect(changed).toContain('model.layers.1.self_attn.q_proj.weight');
    expect(changed.every((name) => name.endsWith('_proj.weight'))).toBe(true);
  });

  it('writes the same bytes with 1, 2 and 4 workers, and twice with 2, in any number of shards', async () => {
    const outputs = [];
    for (const workers of [1, 2, 4, 2]) {
      const { path, output } = runFile({
        rest: `resources: {workers: ${workers}}\nwrite: {max_shard_size: 1MB}`,
      });
      await prune(path);
      outputs.push(fileHashes(output));
    }
    expect(Object.keys(outputs[0] ?? {}).filter((name) => name.endsWith('.safetensors'))).toHaveLength(3);
    for (const output of outputs) expect(output).toEqual(outputs[0]);
  });
});
