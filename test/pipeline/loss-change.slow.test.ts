/** The method loss_change: what it chooses for given losses, and whole runs on a part of the quickstart model. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { evaluate, inspect, plan, prune, RequestError } from '../../src/index.js';
import { lossChangeMethod } from '../../src/pipeline/methods/loss-change-method.js';
import type { Ablation, MethodLinear } from '../../src/pipeline/methods/method.js';
import { reportSchema } from '../../src/report/report-schema.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import type { Pattern } from '../../src/sparsity/pattern.js';
import { float32View } from '../../src/system/native-memory.js';
import { nativeGram, nativeTensor } from '../support/native.js';
import { isPrunedBlock, pruneUntil } from '../support/prune-until.js';
import { correlatedActivations, normals, uniform } from '../support/random.js';
import { makeShallowModel } from '../support/shallow-model.js';
import { writeShortText } from '../support/short-text.js';
import { makeTinyLlama, writeTokens } from '../support/tiny-llama.js';

const pool = new WorkerPool(2);
const folder = mkdtempSync(join(tmpdir(), 'secateur-loss-change-'));
afterAll(async () => {
  await pool.close();
  rmSync(folder, { recursive: true });
});

const [columns, tokens] = [24, 60];
const gram = nativeGram(correlatedActivations(tokens, columns, 1), tokens, columns);

interface Outcome {
  /** Indices of what went, of each linear. */
  readonly gone: readonly number[][];
  readonly asked: readonly { readonly linear: string; readonly indices: readonly number[] }[];
  readonly measured: readonly { change: number; screened: number; measurements: number }[];
}

/** Prunes two linears, where what goes changes the loss as `lossOf` says. */
async function choose(
  pattern: Pattern,
  given: Record<string, unknown>,
  lossOf: (linear: string, indices: readonly number[]) => number,
): Promise<Outcome> {
  const dense = [6, 9].map((rows, at) => normals(rows * columns, 20 + at));
  const linears = dense.map(
    (w, at): MethodLinear => ({
      name: 'ab'[at] as string,
      weights: nativeTensor(w, [w.length / columns, columns]),
      pattern,
      loadDense: () => Promise.reject(new Error('not needed')),
    }),
  );
  const asked: { linear: string; indices: number[] }[] = [];
  const lossChanges = async (ablations: readonly Ablation[]) =>
    ablations.map(({ linear, indices }) => {
      const own = { linear: linear.name, indices: [...indices()] };
      asked.push(own);
      return { mean: lossOf(own.linear, own.indices), standardError: 0.5 };
    });
  const statistics = {
    group: 'x',
    size: columns,
    tokens,
    sumOfSquares: new Float64Array(),
    sum: undefined,
    gram,
  };
  const group = { name: 'group', linears, statistics, windowTokens: tokens, lossChanges };
  const outcomes = await lossChangeMethod.prune(pool, group, lossChangeMethod.options.parse(given), false);
  const gone = linears.map(({ weights: { address } }, at) => {
    const w = dense[at] as Float32Array;
    const pruned = float32View(address, w.length);
    const zeros = [...pruned.keys()].filter((index) => pruned[index] === 0);
    for (const [index, value] of pruned.entries()) if (value !== 0) expect(value).toBe(w[index]);
    return zeros;
  });
  const measured = linears.flatMap(({ name }) => {
    const loss = outcomes.get(name)?.measuredLoss;
    return loss
      ? [{ change: loss.change.mean, screened: loss.screened.mean, measurements: loss.measurements }]
      : [];
  });
  return { gone, asked, measured };
}

const costs: Readonly<Record<string, readonly number[]>> = Object.fromEntries(
  ['a', 'b'].map((name, at) => {
    const random = uniform(at + 30);
    return [name, Array.from({ length: 9 * columns }, () => random() - 0.2)];
  }),
);
const additive = (linear: string, indices: readonly number[]) =>
  indices.reduce((sum, index) => sum + (costs[linear]?.[index] ?? 0), 0);

describe('for given losses', () => {
  it('exact: of single weights those whose loss is the smallest', async () => {
    const { gone, measured } = await choose(
      { kind: 'unstructured', sparsity: 0.37 },
      { exact: true },
      additive,
    );
    for (const [at, name] of ['a', 'b'].entries()) {
      const count = [6, 9][at] as number;
      const order = [...Array(count * columns).keys()].sort(
        (i, j) => (costs[name]?.[i] ?? 0) - (costs[name]?.[j] ?? 0),
      );
      const zeros = Math.floor(count * columns * 0.37);
      expect(gone[at]).toEqual(order.slice(0, zeros).sort((a, b) => a - b));
      expect(measured[at]?.measurements).toBe(count * columns + 2);
    }
  });

  it('exact: of N:M the mask of every group whose loss is the smallest', async () => {
    const { gone } = await choose({ kind: 'n:m', keep: 2, of: 4 }, { exact: true }, additive);
    for (const [at, name] of ['a', 'b'].entries()) {
      const own = costs[name] ?? [];
      const groups = (([6, 9][at] as number) * columns) / 4;
      const expected = Array.from({ length: groups }, (_, group) =>
        [0, 1, 2, 3]
          .map((index) => group * 4 + index)
          .sort((i, j) => (own[i] ?? 0) - (own[j] ?? 0))
          .slice(0, 2)
          .sort((a, b) => a - b),
      ).flat();
      expect(gone[at]).toEqual(expected);
    }
  });

  it.each([
    [{ kind: 'unstructured', sparsity: 0.5 }, { measurements: 12 }],
    [
      { kind: 'unstructured', sparsity: 0.3 },
      { measurements: 9, tile: [2, 3] },
    ],
    [
      { kind: 'unstructured', sparsity: 0.3 },
      { measurements: 2, tile: [1, 24] },
    ],
    [{ kind: 'n:m', keep: 2, of: 4 }, { measurements: 20 }],
    [{ kind: 'n:m', keep: 1, of: 4 }, { measurements: 3 }],
  ] as [Pattern, Record<string, unknown>][])(
    '%j with %j: no more than the budget, and nothing that costs more than the outputs alone would have chosen',
    async (pattern, given) => {
      const { gone, asked, measured } = await choose(pattern, given, additive);
      for (const [at, name] of ['a', 'b'].entries()) {
        const numel = ([6, 9][at] as number) * columns;
        const sparsity = pattern.kind === 'n:m' ? 1 - pattern.keep / pattern.of : pattern.sparsity;
        expect(gone[at]).toHaveLength(Math.floor(numel * sparsity));
        const own = asked.filter(({ linear }) => linear === name);
        expect(own.length).toBe(measured[at]?.measurements);
        expect(own.length).toBeLessThanOrEqual(given.measurements as number);
        expect(measured[at]?.change).toBeCloseTo(additive(name, gone[at] ?? []), 9);
        expect(measured[at]?.change).toBeLessThanOrEqual(measured[at]?.screened as number);
      }
    },
  );

  it('keeps the mask by the outputs alone where another is worse as a whole', async () => {
    const pattern = { kind: 'unstructured', sparsity: 0.5 } as const;
    const alone = await choose(pattern, { measurements: 2 }, additive);
    const free = await choose(pattern, { measurements: 16 }, additive);
    expect(free.gone).not.toEqual(alone.gone);
    const bound = await choose(pattern, { measurements: 16 }, (name, indices) => {
      const known = new Set(alone.gone[name === 'a' ? 0 : 1]);
      const isKnown = indices.length === 1 || indices.every((index) => known.has(index));
      return additive(name, indices) + (isKnown ? 0 : 1e6);
    });
    expect(bound.gone).toEqual(alone.gone);
    for (const { change, screened } of bound.measured) expect(change).toBe(screened);
  });

  it('measures nothing where nothing goes', async () => {
    const { gone, asked } = await choose({ kind: 'unstructured', sparsity: 0 }, {}, additive);
    expect(gone).toEqual([[], []]);
    expect(asked).toEqual([]);
  });
});

const root = fileURLToPath(new URL('../..', import.meta.url));
const shallow = join(folder, 'shallow');
makeShallowModel(join(root, 'models/quickstart'), shallow, 2);
const text = writeShortText(folder);
let count = 0;

function runFile(goal: string, rest = '') {
  const output = join(folder, `out-${count}`);
  const path = join(folder, `run-${count++}.yaml`);
  writeFileSync(
    path,
    [
      `model: ${shallow}`,
      `output: ${output}`,
      `calibration: {data: ${text}, samples: 4, sequence_length: 40}`,
      `prune: {method: loss_change, ${goal}}`,
      rest,
    ].join('\n'),
  );
  return { path, output };
}

const weightsHash = (output: string) =>
  createHash('sha256')
    .update(readFileSync(join(output, 'model.safetensors')))
    .digest('hex');

describe('a run', () => {
  it.each([
    ['pattern: "2:4", options: {measurements: 6, windows: 3, tokens: 24}', 0.5, 6],
    ['sparsity: 0.37, options: {measurements: 5, tile: [8, 16], windows: 2, tokens: 64}', 0.37, 5],
  ])('%s: exact zeros, valid groups, the losses reported', async (goal, sparsity, budget) => {
    const one = runFile(goal, 'resources: {workers: 1}');
    const { report } = await prune(one.path);
    expect(reportSchema.parse(report)).toEqual(report);
    const pattern = /"(\d:\d)"/.exec(goal)?.[1];
    const { tensors } = await inspect(one.output, { pattern });
    for (const layer of report.layers) {
      const tensor = tensors.find(({ name }) => name === `${layer.name}.weight`);
      expect(layer.zeros).toBe(Math.floor(layer.numel * sparsity));
      expect(tensor?.zeros).toBe(layer.zeros);
      if (pattern) expect(tensor?.violations).toBe(0);
      const measured = layer.measured_loss;
      expect(measured?.measurements).toBeLessThanOrEqual(budget);
      expect(measured?.measurements).toBeGreaterThan(budget - 3);
      expect(measured?.change).toBeLessThanOrEqual(measured?.screened_change as number);
      expect(measured?.standard_error).toBeGreaterThan(0);
      expect(layer.predicted_loss).toBeGreaterThan(0);
    }
    const left = readdirSync(join(one.output, 'secateur'));
    expect(left.filter((name) => /hidden|f32/.test(name))).toEqual([]);
  });

  it.each([
    ['the last linear', ['*.2.mlp.down_proj'], 1],
    // Whatever comes before such a linear is pruned when it is measured, so that the losses add up.
    ['all linears that are alone with what they read', ['*.o_proj', '*.down_proj'], 6],
  ])('prunes %s: the checkpoint is worse by the losses reported', async (_, matches, pruned) => {
    const [model, output] = [join(folder, `tiny-${count}`), join(folder, `tiny-out-${count}`)];
    const [windows, tokens, length] = [3, 20, 26];
    makeTinyLlama(model);
    const ids = Array.from({ length: windows * length }, (_, i) => (i * i + 7 * i) % 160);
    const [data, beginnings] = [`${model}.txt`, `${model}-beginnings.txt`];
    writeTokens(data, ids);
    writeTokens(
      beginnings,
      ids.filter((_, i) => i % length < tokens && i < 2 * length),
    );
    const path = join(folder, `tiny-${count++}.yaml`);
    const rules = matches.map((match) => `{match: "${match}", sparsity: 0.5}`);
    const options = `{measurements: 6, windows: 2, tokens: ${tokens}}`;
    writeFileSync(
      path,
      [
        `model: ${model}`,
        `output: ${output}`,
        `calibration: {data: ${data}, samples: ${windows}, sequence_length: ${length}}`,
        `prune: {method: loss_change, sparsity: 0.5, options: ${options}, rules: [${rules}, {match: "*", keep: dense}]}`,
      ].join('\n'),
    );
    const { report } = await prune(path);
    const changes = report.layers.flatMap(({ measured_loss }) => measured_loss?.change ?? []);
    expect(changes).toHaveLength(pruned);
    const settings = { data: beginnings, context: tokens, baseline: model };
    const { checkpoint, baseline } = await evaluate(output, settings);
    const worse = Math.log(checkpoint.perplexity / (baseline?.perplexity ?? 0));
    expect(Math.abs(worse)).toBeGreaterThan(1e-3);
    expect(changes.reduce((sum, change) => sum + change, 0)).toBeCloseTo(worse, 5);
  });

  it.each(['refine: dsnot', 'update: least_squares'])(
    'does not report losses of what %s changed',
    async (step) => {
      const { report } = await prune(
        runFile(`pattern: "2:4", ${step}, options: {measurements: 3, windows: 2, tokens: 24}`).path,
      );
      for (const layer of report.layers) {
        expect(layer.measured_loss).toBeUndefined();
      }
    },
  );

  it('gives the same bytes with other workers after an interruption', async () => {
    const goal = 'sparsity: 0.37, options: {measurements: 4, tile: [8, 16], windows: 2, tokens: 24}';
    const one = runFile(goal, 'resources: {workers: 1}');
    await prune(one.path);
    const two = runFile(goal, 'resources: {workers: 2}');
    await pruneUntil(two.path, isPrunedBlock);
    await prune(two.path);
    expect(weightsHash(two.output)).toBe(weightsHash(one.output));
  });

  it('is planned with what measuring takes, and more with more of it', async () => {
    const plans = [];
    for (const measurements of [4, 8]) {
      plans.push(await plan(runFile(`pattern: "2:4", options: {measurements: ${measurements}}`).path));
    }
    const [few, more] = plans;
    // One for each input group is of the block as it is.
    expect((more?.flops.loss ?? 0) / (few?.flops.loss ?? 1)).toBeCloseTo((7 * 8 + 4) / (7 * 4 + 4), 9);
    const plain = runFile('pattern: "2:4"');
    writeFileSync(plain.path, readFileSync(plain.path, 'utf8').replace('loss_change', 'wanda'));
    const wanda = await plan(plain.path);
    expect(wanda.flops.loss).toBe(0);
    expect(few?.bytes.scratch).toBeGreaterThan(wanda.bytes.scratch);
  });

  it.each([
    [
      'sparsity: 0.5, options: {exact: true}',
      /self_attn\.q_proj: exact: true would measure 36,864 candidates, and prune\.options\.exact_limit is 2,000; raise it.* TFLOP$/,
    ],
    ['pattern: "8:16"', /8:16 has 12,870; at most 1,000 are allowed/],
  ])('%s is refused, with what it would cost', async (goal, message) => {
    const { path } = runFile(goal);
    const error: unknown = await plan(path).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RequestError);
    expect((error as Error).message).toMatch(message);
  });
});
