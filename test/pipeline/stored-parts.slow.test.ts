/** Whole runs on models whose linears are parts of larger tensors, or stored transposed. */
import { describe, expect, it } from 'vitest';
import { inspect, type PruneResult, prune } from '../../src/index.js';
import { makeFamilyModel } from '../support/family-model.js';
import { describedModel } from '../support/golden-model.js';
import { quickstartRuns, tensorHashes } from '../support/quickstart-runs.js';

const { runFile, newPath, text } = quickstartRuns(1);

const models = new Map<string, string>();
function modelOf(name: string): string {
  const folder = models.get(name) ?? newPath(name);
  if (!models.has(name)) makeFamilyModel(name, folder);
  models.set(name, folder);
  return folder;
}

/** A linear and the tensor in which it is stored, and linears that are tensors of their own. */
const FAMILIES = [
  { name: 'gpt2', part: 'h.1.attn.c_attn.k', tensor: 'h.1.attn.c_attn.weight', others: '*.c_proj' },
  {
    name: 'gpt_neox',
    part: 'gpt_neox.layers.1.attention.query_key_value.key',
    tensor: 'gpt_neox.layers.1.attention.query_key_value.weight',
    others: '*.dense',
  },
];

/** Runs by family and goal, each made once. */
const known = new Map<string, Promise<PruneResult>>();
function pruned(name: string, goal: string): Promise<PruneResult> {
  const key = `${name} ${goal}`;
  const run = known.get(key) ?? prune(runFile({ model: modelOf(name), prune: `{${goal}}` }).path);
  known.set(key, run);
  return run;
}

async function weightsOf(folder: string): Promise<(linear: string) => Float32Array> {
  const { named } = await describedModel(folder);
  const weight = named('model.safetensors');
  return (linear) => weight(`${linear}.weight`);
}

const zerosIn = (weights: Float32Array) => weights.reduce((sum, w) => sum + (w === 0 ? 1 : 0), 0);

/** Groups of four consecutive inputs of which more than two are kept. */
function violations(weights: Float32Array): number {
  let count = 0;
  for (let i = 0; i < weights.length; i += 4) if (zerosIn(weights.subarray(i, i + 4)) < 2) count++;
  return count;
}

describe.each(FAMILIES)('$name', ({ name, part, tensor, others }) => {
  it.each<[method: string, goal: string]>([
    ['sparsegpt', 'pattern: "2:4"'],
    ['magnitude', 'pattern: "2:4"'],
    ['magnitude', 'sparsity: 0.37'],
  ])('%s with %s: exact zeros and valid groups in every linear', async (method, goal) => {
    const { output, report } = await pruned(name, `method: ${method}, ${goal}`);
    const [dense, sparse] = [await weightsOf(modelOf(name)), await weightsOf(output)];
    expect(report.layers).toHaveLength(12);
    for (const layer of report.layers) {
      const [source, written] = [dense(layer.name), sparse(layer.name)];
      const [, columns] = layer.shape;
      expect(zerosIn(written)).toBe(layer.zeros);
      expect(layer.zeros).toBe(Math.floor(layer.numel * (goal.includes('0.37') ? 0.37 : 0.5)));
      if (goal.includes('2:4')) expect(violations(written)).toBe(0);
      if (method === 'wanda') {
        for (let i = 0; i < written.length; i += columns) {
          expect(zerosIn(written.subarray(i, i + columns))).toBe(columns / 2);
        }
      }
      if (method === 'sparsegpt') continue;
      expect(written.every((w, i) => w === 0 || w === source[i])).toBe(true);
      if (!goal.includes('0.37')) continue;
      const gone = source.filter((_, i) => written[i] === 0).map(Math.abs);
      const kept = written.filter((w) => w !== 0).map(Math.abs);
      expect(Math.max(...gone)).toBeLessThanOrEqual(Math.min(...kept));
    }
    const changed = report.layers.map((layer) => `${layer.name}.weight`);
    const { model } = await describedModel(output);
    const stored = new Map(
      model.blocks.flatMap(({ prefix, tensors }) =>
        tensors.map((each) => [prefix + each.name, prefix + (each.stored?.tensor ?? each.name)] as const),
      ),
    );
    const touched = new Set(changed.map((linear) => stored.get(linear)));
    const [source, written] = [tensorHashes(modelOf(name)), tensorHashes(output)];
    expect(Object.keys(written).sort()).toEqual(Object.keys(source).sort());
    for (const each of Object.keys(source)) expect(written[each] === source[each]).toBe(!touched.has(each));
  });

  it.each(['magnitude', 'sparsegpt'])('%s: a part that is kept dense keeps its bytes', async (method) => {
    const rules = `[{match: "${part}", keep: dense}, {match: "${others}", keep: dense}]`;
    const { output, report } = await pruned(name, `method: ${method}, sparsity: 0.5, rules: ${rules}`);
    const [dense, sparse] = [await weightsOf(modelOf(name)), await weightsOf(output)];
    for (const layer of report.layers) {
      const written = sparse(layer.name);
      const isDense = layer.pattern === 'dense';
      expect(isDense).toBe(layer.name === part || layer.name.endsWith(others.slice(1)));
      if (isDense) expect(written).toEqual(dense(layer.name));
      else expect(zerosIn(written)).toBe(Math.floor(written.length / 2));
    }
    expect(tensorHashes(output)[tensor]).not.toBe(tensorHashes(modelOf(name))[tensor]);
  });

  it.each(['method: sparsegpt, pattern: "2:4"', 'method: magnitude, sparsity: 0.37'])(
    '%s: the same bytes from two workers',
    async (goal) => {
      const { output } = await pruned(name, goal);
      const changes = { model: modelOf(name), prune: `{${goal}}`, resources: '{workers: 2}' };
      const two = await prune(runFile(changes).path);
      expect(tensorHashes(two.output)).toEqual(tensorHashes(output));
    },
  );

  it('inspect counts the groups along the inputs', async () => {
    const folder = modelOf(name);
    const weight = await weightsOf(folder);
    const { tensors, linears } = await inspect(folder, { pattern: '2:4' });
    const held = linears.filter((linear) => linear.tensor === tensor);
    expect(held).toHaveLength(3);
    const wanted = held.reduce((sum, linear) => sum + violations(weight(linear.name)), 0);
    expect(tensors.find((each) => each.name === tensor)?.violations).toBe(wanted);
    const { output } = await pruned(name, 'method: magnitude, pattern: "2:4"');
    const inspected = await inspect(output, { pattern: '2:4' });
    for (const { prunable, violations: left } of inspected.tensors) if (prunable) expect(left).toBe(0);
  });
});

describe('gpt_oss, whose experts have gate and up by turns in one tensor', () => {
  it.each(['method: wanda, pattern: "2:4"'])(
    '%s: exact zeros, and nothing lost to another worker',
    async (goal) => {
      const model = modelOf('gpt_oss');
      const calibration = {
        calibration: `{data: ${text}, samples: 6, sequence_length: 64, experts: {minimum_tokens: 1, fallback: magnitude}}`,
      };
      const run = (workers: number) =>
        prune(
          runFile({
            model,
            prune: `{${goal}}`,
            resources: `{workers: ${workers}}`,
            ...(goal.includes('wanda') ? calibration : {}),
          }).path,
        );
      const { output, report } = await run(1);
      const [dense, sparse] = [await weightsOf(model), await weightsOf(output)];
      for (const { name, zeros } of report.layers) {
        const [source, written] = [dense(name), sparse(name)];
        expect(zerosIn(written)).toBe(zeros);
        expect(zeros).toBe(written.length / 2);
        expect(written.every((w, i) => w === 0 || w === source[i])).toBe(true);
      }
      expect(report.layers.filter(({ name }) => /gate_proj|up_proj/.test(name)).length).toBeGreaterThan(4);
      const several = await run(4);
      expect(tensorHashes(several.output)).toEqual(tensorHashes(output));
    },
  );
});
