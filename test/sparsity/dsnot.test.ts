/** DSnoT against a plain PyTorch version of the paper (scripts/golden/make-dsnot-golden.py), and its properties. */
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { RequestError } from '../../src/errors.js';
import { bindMethod } from '../../src/pipeline/methods/bind-method.js';
import { runSchema } from '../../src/pipeline/methods/method-registry.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { wanda } from '../../src/scores/wanda.js';
import { type RefinementInputs, type RefinementOptions, refineMask } from '../../src/sparsity/dsnot.js';
import { type Pattern, parsePattern } from '../../src/sparsity/pattern.js';
import { pruneByScore } from '../../src/sparsity/prune-by-score.js';
import { float32View } from '../../src/system/native-memory.js';
import { nativeTensor } from '../support/native.js';
import { normals, uniform } from '../support/random.js';
import { readGolden } from '../support/safetensors.js';
import { refinedRow } from './dsnot-oracle.js';

const pools = [1, 2, 3].map((size) => new WorkerPool(size)) as [WorkerPool, WorkerPool, WorkerPool];
const [, pool] = pools;
afterAll(async () => {
  await Promise.all(pools.map((each) => each.close()));
});

const defaults: RefinementOptions = { cycles: 50, threshold: 0.1, variancePower: 1, sameSign: true };
const unstructured = (sparsity: number): Pattern => ({ kind: 'unstructured', sparsity });

interface Layer extends RefinementInputs {
  readonly rows: number;
  readonly columns: number;
  readonly dense: Float32Array;
}

/** Wanda's mask of the layer, and what DSnoT makes of it. */
async function refined(
  { rows, columns, dense, ...inputs }: Layer,
  pattern: Pattern,
  {
    workers = pool,
    move = (w: number) => w,
    ...options
  }: Partial<RefinementOptions> & {
    readonly workers?: WorkerPool;
    /** What a method does to the weights that it leaves. */
    readonly move?: (w: number) => number;
  } = {},
): Promise<{ before: Float32Array; after: Float32Array }> {
  const weights = nativeTensor(dense, [rows, columns]);
  const columnNorms = Float32Array.from(inputs.norms);
  await pruneByScore(workers, wanda, { name: 'w', weights, columnNorms, pattern });
  const view = float32View(weights.address, dense.length);
  const before = view.slice();
  view.set(before.map(move));
  const loadDense = async (address: bigint) => float32View(address, dense.length).set(dense);
  const matrix = { name: 'w', weights, pattern, loadDense };
  await refineMask(workers, matrix, inputs, { ...defaults, ...options });
  return { before, after: view.slice() };
}

describe('on a real layer', () => {
  const golden = ['smollm2-layer', 'smollm2-dsnot'].map((name) =>
    readGolden(fileURLToPath(new URL(`../golden/${name}.safetensors`, import.meta.url))),
  );
  const floats = (name: string) =>
    golden.flatMap((file) => file.get(name)?.data ?? [])[0] as unknown as Float32Array;
  const layer: Layer = {
    rows: 192,
    columns: 576,
    dense: floats('weight'),
    mean: Float64Array.from(floats('mean')),
    variance: Float64Array.from(floats('variance')),
    norms: Float64Array.from(floats('column_norms')),
  };

  /** Of the windows behind the statistics. */
  const TOKENS = 16 * 512;

  function expectTheirs(name: string, before: Float32Array, after: Float32Array): void {
    const theirs = floats(`wanda.${name}.dsnot.mask`);
    const places = [...after.keys()];
    const swapped = places.filter((i) => (before[i] === 0) !== (after[i] === 0)).length;
    const different = places.filter((i) => (after[i] === 0) !== (theirs[i] === 1)).length;
    expect(swapped).toBeGreaterThan(900);
    // Below a thousandth of all weights, and of those that were swapped.
    expect(different).toBeLessThanOrEqual(swapped / 100);
    expect(after.every((w, i) => w === 0 || w === layer.dense[i])).toBe(true);
  }

  it.each<[string, Pattern, boolean]>([
    ['50', unstructured(0.5), true],
    ['60', unstructured(0.6), true],
    ['60.crossing', unstructured(0.6), false],
    ['2of4', parsePattern('2:4'), true],
    ['2of4.crossing', parsePattern('2:4'), false],
  ])('the masks after Wanda at %s are those of the paper', async (name, pattern, sameSign) => {
    const { before, after } = await refined(layer, pattern, { sameSign });
    expectTheirs(name, before, after);
  });

  it.each<[string, object, object]>([
    ['50', { sparsity: 0.5 }, {}],
    ['60.crossing', { sparsity: 0.6 }, { same_sign: false }],
    ['2of4', { pattern: '2:4' }, {}],
    ['2of4.crossing', { pattern: '2:4' }, { same_sign: false }],
  ])(
    'so are those of wanda with dsnot in a run file at %s, from what calibration sums up',
    async (name, goal, options) => {
      const { rows, columns, dense, mean, norms } = layer;
      const statistics = {
        group: 'x',
        size: columns,
        tokens: TOKENS,
        sumOfSquares: norms.map((norm) => norm ** 2),
        sum: mean.map((value) => value * TOKENS),
        gram: undefined,
      };
      const loadDense = async (address: bigint) => float32View(address, dense.length).set(dense);
      const pruned = async (refine: object) => {
        const config = runSchema.parse({
          model: 'm',
          output: 'o',
          prune: { method: 'wanda', ...goal, refine },
        });
        const weights = nativeTensor(dense, [rows, columns]);
        const pattern = 'pattern' in goal ? parsePattern('2:4') : unstructured(config.prune.sparsity ?? 0);
        const linears = [{ name: 'w', weights, pattern, loadDense }];
        const group = { name: 'x', linears, statistics, windowTokens: TOKENS };
        await bindMethod(config.prune).prune(pool, group, false);
        return float32View(weights.address, dense.length).slice();
      };
      expectTheirs(name, await pruned({ name: 'none' }), await pruned({ name: 'dsnot', ...options }));
    },
  );
});

/** Random weights for inputs whose means, variances and norms belong together. */
function randomLayer(rows: number, columns: number, seed: number): Layer {
  const next = uniform(seed);
  const mean = Float64Array.from({ length: columns }, () => (next() - 0.5) * 0.1);
  const variance = Float64Array.from({ length: columns }, () => 0.01 + next());
  const norms = mean.map((value, j) => Math.sqrt(1000 * ((variance[j] as number) + value ** 2)));
  return { rows, columns, dense: normals(rows * columns, seed + 1), mean, variance, norms };
}

/** What a row's pruned weights would add to its output, summed over 2048 tokens. */
function rowErrors({ rows, columns, dense, mean }: Layer, pruned: Float32Array): number[] {
  return Array.from({ length: rows }, (_, row) => {
    let error = 0;
    for (let j = 0; j < columns; j++) {
      const i = row * columns + j;
      if (pruned[i] === 0) error += (dense[i] as number) * (mean[j] as number) * 2048;
    }
    return error;
  });
}

/** The oracle's mask of a whole layer, row by row. */
function expectedMask(
  { rows, columns, dense, ...inputs }: Layer,
  before: Float32Array,
  pattern: Pattern,
  options: Partial<RefinementOptions>,
): boolean[] {
  const group = pattern.kind === 'n:m' ? pattern.of : columns;
  return Array.from({ length: rows }).flatMap((_, row) => {
    const ofRow = (matrix: Float32Array) => matrix.subarray(row * columns, (row + 1) * columns);
    const kept = Array.from(ofRow(before), (w) => w !== 0);
    return refinedRow(ofRow(dense), kept, inputs, { ...defaults, ...options }, group);
  });
}

const zerosOf = (list: Float32Array) => list.reduce((count, value) => count + (value === 0 ? 1 : 0), 0);

describe('a refined mask', () => {
  it.each<[number, number, Pattern, boolean]>([
    [40, 96, unstructured(0.5), true],
    [33, 200, unstructured(0.61), false],
    [1, 30, unstructured(0.9), true],
    [7, 50, unstructured(0), true],
    [21, 64, parsePattern('2:4'), true],
    [530, 60, parsePattern('1:3'), false],
    [16, 180, parsePattern('4:9'), true],
    [9, 48, parsePattern('24:48'), false],
  ])(
    '%i×%i %o has as many zeros everywhere, and no larger errors',
    async (rows, columns, pattern, sameSign) => {
      for (const threshold of [0, 0.1]) {
        const layer = randomLayer(rows, columns, rows);
        const { before, after } = await refined(layer, pattern, { sameSign, threshold });
        const step = pattern.kind === 'n:m' ? pattern.of : columns;
        for (let i = 0; i < after.length; i += step) {
          expect(zerosOf(after.subarray(i, i + step))).toBe(zerosOf(before.subarray(i, i + step)));
        }
        const [start, end] = [rowErrors(layer, before), rowErrors(layer, after)];
        for (const [row, error] of end.entries()) {
          expect(Math.abs(error)).toBeLessThanOrEqual(Math.abs(start[row] as number));
          if (sameSign) expect(error * (start[row] as number)).toBeGreaterThanOrEqual(0);
        }
        if (zerosOf(before) > 0 && rows > 1) expect(after).not.toEqual(before);
      }
    },
  );

  it('has dense weights, whatever the method made of them', async () => {
    const layer = randomLayer(20, 64, 3);
    for (const pattern of [unstructured(0.5), parsePattern('2:4')]) {
      const plain = await refined(layer, pattern);
      const moved = await refined(layer, pattern, { move: (w) => w * 1.5 });
      expect(moved.after).toEqual(plain.after);
      expect(plain.after.every((w, i) => w === 0 || w === layer.dense[i])).toBe(true);
    }
  });

  it.each<[Pattern, boolean]>([
    [unstructured(0.5), true],
    [unstructured(0.7), false],
    [parsePattern('2:4'), true],
    [parsePattern('4:8'), false],
  ])(
    'at %o is what comes of the swaps one by one, for any power of the variance',
    async (pattern, sameSign) => {
      const layer = randomLayer(20, 96, 31);
      const masks = new Set<string>();
      for (const variancePower of [0, 0.5, 1, 2]) {
        const options = { variancePower, sameSign };
        const { before, after } = await refined(layer, pattern, options);
        const expected = expectedMask(layer, before, pattern, options);
        expect(Array.from(after, (w) => w !== 0)).toEqual(expected);
        masks.add(expected.join());
      }
      expect(masks.size).toBe(4);
    },
  );

  it.each([unstructured(0.5), parsePattern('2:4')])('at %o swaps as often as it may', async (pattern) => {
    const layer = randomLayer(10, 400, 8);
    const regrown = (before: Float32Array, after: ArrayLike<unknown>) =>
      Array.from({ length: 10 }, (_, row) => {
        const places = Array.from({ length: 400 }, (_, j) => row * 400 + j);
        return places.filter((i) => before[i] === 0 && after[i]).length;
      });
    for (const sameSign of [true, false]) {
      for (const cycles of [0, 1, 3]) {
        const options = { cycles, threshold: 0, sameSign };
        const { before, after } = await refined(layer, pattern, options);
        const most = regrown(before, expectedMask(layer, before, pattern, { ...options, cycles: 400 }));
        expect(Math.max(...most)).toBeGreaterThan(3);
        expect(regrown(before, after)).toEqual(most.map((swaps) => Math.min(swaps, cycles)));
      }
    }
    const none = await refined(layer, pattern, { threshold: 1e6 });
    expect(none.after).toEqual(none.before);
  });

  it('is the same to the bit with 1, 2 and 3 workers', async () => {
    const layer = randomLayer(5000, 260, 4);
    for (const pattern of [unstructured(0.6), parsePattern('2:4')]) {
      const results = [];
      for (const workers of pools) {
        const { after } = await refined(layer, pattern, { workers });
        results.push(createHash('sha256').update(after).digest('hex'));
      }
      expect(new Set(results).size).toBe(1);
    }
  });

  it('leaves inputs that are always 0 alone, and is finite with constant ones and equal weights', async () => {
    for (const pattern of [unstructured(0.5), parsePattern('2:4')]) {
      for (const variancePower of [0, 1, 10]) {
        const layer = randomLayer(12, 48, 6);
        layer.mean.fill(0, 0, 8);
        layer.variance.fill(0, 0, 8);
        layer.norms.fill(0, 0, 8);
        layer.variance.fill(1e-30, 8, 16);
        layer.dense.fill(0.25, 0, 5 * 48);
        const { before, after } = await refined(layer, pattern, { variancePower });
        expect(after.every(Number.isFinite)).toBe(true);
        expect(zerosOf(after)).toBe(zerosOf(before));
        for (let i = 0; i < after.length; i++) if (i % 48 < 8) expect(after[i]).toBe(before[i]);
      }
    }
    const dead = randomLayer(4, 16, 2);
    for (const list of [dead.mean, dead.variance, dead.norms]) list.fill(0);
    const { before, after } = await refined(dead, unstructured(0.5));
    expect(after).toEqual(before);
  });

  it('of equals takes the lower index', async () => {
    // Two pruned and two kept weights are the same; one swap is enough.
    const layer: Layer = {
      rows: 1,
      columns: 6,
      dense: Float32Array.of(1, 1, 1, -2, -2, 9),
      mean: Float64Array.from([1, 1, 1, 1, 1, 0], (value) => value / 2048),
      variance: new Float64Array(6).fill(1),
      norms: new Float64Array(6).fill(1),
    };
    const { after } = await refined(layer, unstructured(0.5), { threshold: 0 });
    expect([...after]).toEqual([1, 0, 0, 0, -2, 9]);
  });

  it('needs an input size that M divides', async () => {
    const weights = nativeTensor(new Float32Array(12), [2, 6]);
    const { mean, variance, norms } = randomLayer(2, 6, 1);
    const matrix = { name: 'w', weights, pattern: parsePattern('2:4'), loadDense: async () => {} };
    await expect(refineMask(pool, matrix, { mean, variance, norms }, defaults)).rejects.toThrow(RequestError);
  });
});
