/** `prune.existing_zeros`: what every method, refinement and update does with weights that are zero in the source. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import type { PruneConfig } from '../../src/config/run-schema.js';
import { inspect, prune } from '../../src/index.js';
import { bindMethod } from '../../src/pipeline/methods/bind-method.js';
import type { Method } from '../../src/pipeline/methods/method.js';
import { methods, refinements, runSchema, updates } from '../../src/pipeline/methods/method-registry.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { float32View } from '../../src/system/native-memory.js';
import { temporaryFolders } from '../checkpoint/temporary-folder.js';
import { readFloats } from '../support/golden-model.js';
import { nativeGram, nativeTensor } from '../support/native.js';
import { correlatedActivations, normals, uniform } from '../support/random.js';
import { makeShallowModel } from '../support/shallow-model.js';

const pool = new WorkerPool(2);
afterAll(() => pool.close());
const temporaryFolder = temporaryFolders();

/** So many rows that solvers make two tasks of them. */
const [rows, columns, tokens] = [520, 40, 120];

interface Goal {
  readonly sparsity?: number;
  readonly pattern?: string;
}

const x = correlatedActivations(tokens, columns, 5);
const gram = nativeGram(x, tokens, columns);
const sumOfSquares = new Float64Array(columns);
const sum = new Float64Array(columns);
for (const [i, value] of x.entries()) {
  sum[i % columns] = (sum[i % columns] as number) + value;
  sumOfSquares[i % columns] = (sumOfSquares[i % columns] as number) + value ** 2;
}

/** Zeros in clusters: rows, groups of 4 and column blocks have very different numbers of them. */
function sparseWeights(density: number): Float32Array {
  const next = uniform(3);
  const rowShare = Float64Array.from({ length: rows }, () => density * 2 * next());
  return normals(rows * columns, 4).map((value, i) => {
    const late = i % columns > columns / 2 ? 1.3 : 0.7;
    return next() < (rowShare[Math.floor(i / columns)] as number) * late ? 0 : value;
  });
}

function configOf(prune: object): PruneConfig {
  return runSchema.parse({ model: 'm', output: 'o', prune }).prune;
}

async function pruned(prune: PruneConfig, w: Float32Array): Promise<Float32Array> {
  const method = bindMethod(prune);
  const folder = temporaryFolder();
  const gradients = (method.gradients?.moments ?? []).map((moment, index) => {
    const path = join(folder, `${index}`);
    const values = normals(rows * columns, 20 + index);
    writeFileSync(path, moment === 'mean' ? values : values.map(Math.abs));
    return { path, offset: 0 };
  });
  const weights = nativeTensor(w, [rows, columns]);
  const pattern = prune.pattern
    ? ({ kind: 'n:m', keep: 2, of: 4 } as const)
    : ({ kind: 'unstructured', sparsity: prune.sparsity ?? 0 } as const);
  const linear = {
    name: 'w',
    weights,
    pattern,
    gradients,
    loadDense: async (address: bigint) => float32View(address, w.length).set(w),
  };
  const statistics = { group: 'x', size: columns, tokens, sumOfSquares, sum, gram };
  // Of measured losses the first is the least.
  const lossChanges = async (ablations: readonly unknown[]) =>
    ablations.map((_, mean) => ({ mean, standardError: 0 }));
  const group = { name: 'x', linears: [linear], statistics, windowTokens: tokens, lossChanges };
  await method.prune(pool, group, false);
  return float32View(weights.address, w.length).slice();
}

const zerosOf = (list: Float32Array) => list.reduce((count, value) => count + (value === 0 ? 1 : 0), 0);

/** Zeros of a matrix whose comparison groups have so many elements each and lose so many, or what they have. */
function zerosWithin(w: Float32Array, size: number, lost: number): number {
  let zeros = 0;
  for (let start = 0; start < w.length; start += size) {
    zeros += Math.max(lost, zerosOf(w.subarray(start, start + size)));
  }
  return zeros;
}

/** Methods, and options of theirs with other ways to choose masks. */
const cases: [name: string, options: Record<string, unknown>][] = [
  ...methods.map(({ name }): [string, Record<string, unknown>] => [name, {}]),
  ['obd', { hessian: 'fisher' }],
  ['gradient', { taylor: 'none', scope: 'row' }],
  ['gradient', { taylor: 'second' }],
  ['sparsegpt', { mask_scope: 'row', block_size: 16 }],
  ['sparsegpt', { order: 'activation', block_size: 16 }],
  ['thanos', { block_size: 16 }],
];

describe.each<[string, Goal, number]>([
  ['50 % where 30 % are zero', { sparsity: 0.5 }, 0.3],
  ['20 % where 40 % are zero', { sparsity: 0.2 }, 0.4],
  ['2:4 where 40 % are zero', { pattern: '2:4' }, 0.4],
])('keep: %s', (_, goal, density) => {
  const w = sparseWeights(density);
  it.each(cases)(
    '%s %o gives none of them a value, and removes no more than it has to',
    async (method, options) => {
      const config = configOf({ method, ...goal, options, existing_zeros: 'keep' });
      const result = await pruned(config, w);
      expect(result.filter((value, i) => w[i] === 0 && value !== 0)).toHaveLength(0);
      expect(result.every(Number.isFinite)).toBe(true);
      const inRows = config.options.scope === 'row' || config.options.mask_scope === 'row';
      const size = goal.pattern ? 4 : inRows ? columns : w.length;
      const expected = zerosWithin(w, size, goal.pattern ? 2 : Math.floor(size * (goal.sparsity ?? 0)));
      expect(zerosOf(result)).toBe(expected);
    },
  );

  // An update that optimises whole blocks has nothing to do with one linear: what a run does is below.
  it.each([
    ...refinements.map(({ name }) => ({ refine: name })),
    ...updates.filter(({ optimisation }) => !optimisation).map(({ name }) => ({ update: name })),
  ])('nor does %o after a method', async (after) => {
    for (const method of ['wanda', 'sparsegpt']) {
      const config = configOf({ method, ...goal, ...after, existing_zeros: 'keep' });
      const result = await pruned(config, w);
      expect(result.filter((value, i) => w[i] === 0 && value !== 0)).toHaveLength(0);
    }
  });
});

it('count: a solver may give zeros a value, and the number of zeros is the goal', async () => {
  const w = sparseWeights(0.3);
  for (const [method, options] of [
    ['sparsegpt', { block_size: 8 }],
    ['thanos', { block_size: 8 }],
    ['alps', {}],
  ] as const) {
    const result = await pruned(configOf({ method, sparsity: 0.5, options }), w);
    expect(result.some((value, i) => w[i] === 0 && value !== 0)).toBe(true);
    expect(zerosOf(result)).toBe(w.length / 2);
  }
});

it.each(['count', 'keep'])(
  '%s: where nothing has to go, solvers leave all weights as they are',
  async (existing_zeros) => {
    const w = sparseWeights(0.5);
    for (const method of ['sparsegpt', 'thanos', 'alps', 'admm']) {
      expect(await pruned(configOf({ method, sparsity: 0.4, existing_zeros }), w)).toEqual(w);
    }
  },
);

it('keep changes nothing where nothing is zero', async () => {
  const w = normals(rows * columns, 4);
  for (const { name: method } of methods) {
    const [kept, counted] = await Promise.all(
      ['keep', 'count'].map((existing_zeros) =>
        pruned(configOf({ method, sparsity: 0.5, existing_zeros }), w),
      ),
    );
    expect(kept).toEqual(counted);
  }
});

it("sparsegpt's keep_zeros is the same for this method alone", async () => {
  const w = sparseWeights(0.3);
  const options = { keep_zeros: true };
  const byMethod = await pruned(configOf({ method: 'sparsegpt', sparsity: 0.5, options }), w);
  const forAll = await pruned(configOf({ method: 'sparsegpt', sparsity: 0.5, existing_zeros: 'keep' }), w);
  expect(byMethod).toEqual(forAll);
});

describe('a checkpoint that is pruned again', () => {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const folder = mkdtempSync(join(tmpdir(), 'secateur-test-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  let count = 0;
  const run = async (model: string, settings: string) => {
    const output = join(folder, `${count++}`);
    const path = `${output}.yaml`;
    const data = join(root, 'calibration/general.jsonl');
    writeFileSync(
      path,
      `model: ${model}\noutput: ${output}\nprune: {${settings}}\ncalibration: {data: ${data}, samples: 4, sequence_length: 64}\n`,
    );
    return { output, report: (await prune(path)).report };
  };

  it('passes its checks where it was sparser than the goal, and the report says how sparse it is', async () => {
    const dense = join(folder, 'dense');
    makeShallowModel(join(root, 'models/quickstart'), dense, 1);
    const first = await run(dense, 'method: magnitude, sparsity: 0.6');
    for (const method of ['magnitude', 'wanda', 'sparsegpt']) {
      const { output, report } = await run(
        first.output,
        `method: ${method}, pattern: "2:4", existing_zeros: keep`,
      );
      expect(report.run.config).toMatchObject({ prune: { existing_zeros: 'keep' } });
      expect(report.totals.sparsity).toBeGreaterThan(0.6);
      for (const layer of report.layers) {
        expect(layer.target).toBe(0.5);
        expect(layer.sparsity).toBeGreaterThanOrEqual(0.6);
      }
      const { tensors } = await inspect(output, { pattern: '2:4' });
      for (const { name } of report.layers) {
        expect(tensors.find((tensor) => tensor.name === `${name}.weight`)?.violations).toBe(0);
      }
    }
    const kept = await run(first.output, 'method: magnitude, sparsity: 0.3, existing_zeros: keep');
    const counted = await run(first.output, 'method: magnitude, sparsity: 0.3');
    expect(kept.report.totals.zeros).toBe(first.report.totals.zeros);
    expect(counted.report.totals.zeros).toBe(first.report.totals.zeros);
    expect(kept.report.run.fingerprint).not.toBe(counted.report.run.fingerprint);
  });

  it('has none of its zeros given a value by steps that move the other weights', async () => {
    const dense = join(folder, 'dense again');
    makeShallowModel(join(root, 'models/quickstart'), dense, 1);
    const { output: source } = await run(dense, 'method: magnitude, sparsity: 0.6');
    const weightsOf = (path: string) => readFloats(join(path, 'model.safetensors'));
    const before = weightsOf(source);
    const optimised = (list: readonly Method[]) => list.filter(({ optimisation }) => optimisation);
    const rounds = 'rounds: 1, round_windows: 2';
    for (const steps of [
      ...optimised(methods).map(({ name }) => `method: ${name}, options: {${rounds}}`),
      ...optimised(updates).map(({ name }) => `method: wanda, update: {name: ${name}, ${rounds}}`),
    ]) {
      const { output, report } = await run(source, `${steps}, pattern: "2:4", existing_zeros: keep`);
      const after = weightsOf(output);
      for (const { name } of report.layers) {
        const [w, moved] = [before, after].map((weights) => weights.get(`${name}.weight`)) as [
          Float32Array,
          Float32Array,
        ];
        expect(w.filter((value, i) => value === 0 && moved[i] !== 0)).toHaveLength(0);
        expect(moved.some((value, i) => value !== 0 && value !== w[i])).toBe(true);
      }
    }
    await expect(
      run(source, `method: wanda++, sparsity: 0.7, options: {${rounds}, regrow: true}, existing_zeros: keep`),
    ).rejects.toThrow('with prune.options.regrow weights that are zero get a value');
  });
});
