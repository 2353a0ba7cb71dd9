/** Whole runs: what each method writes. */
import { describe, expect, it } from 'vitest';
import { inspect, type PruneResult, prune } from '../../src/index.js';
import { reportSchema } from '../../src/report/report-schema.js';
import { fileHashes, quickstart, quickstartRuns, tensorHashes } from '../support/quickstart-runs.js';

const { shallow, runFile } = quickstartRuns();

/** What a method alone gives, pruned once. */
const known = new Map<string, Promise<PruneResult>>();
function alone(method: string): Promise<PruneResult> {
  const run = known.get(method) ?? prune(runFile({ prune: method }).path);
  known.set(method, run);
  return run;
}

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
    ['admm', 'pattern: "2:4", options: {iterations: 4}', 0.5],
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
      const before = await alone('{method: wanda, pattern: "2:4"}');
      const after = await prune(
        runFile({ prune: `{method: wanda, pattern: "2:4", update: ${update}}` }).path,
      );
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
      const outputs = [];
      for (const workers of [1, 3]) {
        const resources = `{workers: ${workers}}`;
        const { path, output } = runFile({ prune: given, resources });
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
      const before = tensorHashes((await alone(given.replace(/, refine.*/, '}'))).output);
      const linears = Object.keys(first).filter((each) => each.endsWith('_proj.weight'));
      const changed = linears.filter((each) => first[each] !== before[each]);
      expect(changed.length).toBeGreaterThan(0.8 * linears.length);
    },
  );
});
