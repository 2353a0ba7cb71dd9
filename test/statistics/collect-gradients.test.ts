/** Sums of gradients over windows, of random tiny Llamas with golden gradients by PyTorch. */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { checkpointModel } from '../../src/forward/checkpoint-model.js';
import { ModelStream, wholeRecordBytes } from '../../src/forward/model-stream.js';
import { RANGE_TOKENS } from '../../src/graph/block-passes.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { collectGradients, gradientFilesBytes } from '../../src/statistics/collect-gradients.js';
import { float32View } from '../../src/system/native-memory.js';
import { relativeError } from '../support/relative-error.js';
import { readGolden } from '../support/safetensors.js';

const golden = fileURLToPath(new URL('../golden/tiny-llama', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'secateur-test-'));
const pools = [1, 2].map((size) => new WorkerPool(size)) as [WorkerPool, WorkerPool];
afterAll(async () => {
  await Promise.all(pools.map((pool) => pool.close()));
  rmSync(folder, { recursive: true });
});

interface Sums {
  readonly sum: Float32Array;
  readonly sumOfSquares: Float32Array;
}

interface Options {
  readonly pool?: WorkerPool;
  readonly windows?: number;
  readonly mostWindows?: number;
  readonly logitTokens?: number;
  readonly headRows?: number | undefined;
  readonly wanted?: (linear: string) => boolean;
  /** Told the folder of the states whenever a tensor is looked for. */
  readonly look?: (folder: string) => void;
}

async function goldenModel(name: string) {
  return checkpointModel(await openCheckpoint(join(golden, name)));
}

/** By the full name of the weight, in the order in which blocks come. */
async function collect(name: string, tokens: Int32Array, options: Options = {}): Promise<Map<string, Sums>> {
  const { pool = pools[1], windows = 1, mostWindows, logitTokens, headRows } = options;
  const { wanted = () => true, look } = options;
  const { model, locate } = await goldenModel(name);
  const stream = new ModelStream(model, pool, logitTokens, headRows);
  const own = mkdtempSync(join(folder, 'states-'));
  const result = new Map<string, Sums>();
  await collectGradients({
    stream,
    pool,
    locate(tensor) {
      look?.(own);
      return locate(tensor);
    },
    tokens,
    sequenceLength: tokens.length / windows,
    folder: own,
    mostWindows,
    linears: ({ prefix, linears }) =>
      linears.map((linear) => linear.name).filter((linear) => wanted(prefix + linear)),
    onBlock({ prefix }, sums) {
      for (const [linear, { sum, sumOfSquares, windows: added }] of sums) {
        expect(added).toBe(windows);
        const [g, g2] = [sum, sumOfSquares].map(({ address, shape: [rows = 0, columns = 0] }) =>
          float32View(address, rows * columns).slice(),
        ) as [Float32Array, Float32Array];
        result.set(`${prefix}${linear}.weight`, { sum: g, sumOfSquares: g2 });
      }
    },
  });
  stream.dispose();
  expect(readdirSync(own)).toEqual([]);
  return result;
}

/** The largest sizes of files of gradients, by name without the ending, and of `all` of them together. */
function sizesSeen() {
  const seen = new Map<string, number>();
  const note = (name: string, size: number) => seen.set(name, Math.max(seen.get(name) ?? 0, size));
  return {
    largest: (name: string) => seen.get(name) ?? 0,
    look(own: string) {
      let all = 0;
      for (const file of readdirSync(own).filter((each) => each.startsWith('gradients-'))) {
        const { size } = statSync(join(own, file));
        note(file.replace('.hidden', ''), size);
        all += size;
      }
      note('all', all);
    },
  };
}

const bytes = (array: Float32Array = new Float32Array()) => Buffer.from(array.buffer);

function goldenIds(name: string): Int32Array {
  const ids = readGolden(join(golden, name, 'expected.safetensors')).get('input_ids')?.data;
  return Int32Array.from(ids as BigInt64Array, Number);
}

describe('collectGradients', () => {
  it.each([
    ['gqa-tied', undefined],
    ['head-dim-bias', undefined],
    ['rope-llama3', undefined],
    ['rope-linear', undefined],
    ['rope-parameters', undefined],
    ['gqa-tied', 60],
    ['head-dim-bias', 17],
  ])('gives the gradients of PyTorch (%s, slices of the head: %s)', async (name, headRows) => {
    const expected = readGolden(join(golden, name, 'gradients.safetensors'));
    const weights = [...expected.keys()].filter((key) => key.endsWith('.weight'));
    const sums = await collect(name, goldenIds(name), { logitTokens: 20, headRows });
    expect([...sums.keys()].sort()).toEqual(weights.sort());
    for (const [weight, { sum, sumOfSquares }] of sums) {
      const gradient = expected.get(weight)?.data as Float32Array;
      expect(relativeError(sum, gradient)).toBeLessThan(1e-4);
      expect(
        relativeError(
          sumOfSquares,
          gradient.map((g) => g * g),
        ),
      ).toBeLessThan(1e-4);
    }
  });

  const name = 'gqa-tied';
  const ids = goldenIds(name);
  const windows = 5;
  const tokens = Int32Array.from({ length: windows * ids.length }, (_, i) => {
    return ((ids[i % ids.length] as number) + 31 * Math.floor(i / ids.length)) % 160;
  });

  const eachWindow = async (of: string, all: Int32Array) => {
    const length = all.length / windows;
    const each: Map<string, Sums>[] = [];
    for (let window = 0; window < windows; window++) {
      each.push(await collect(of, all.subarray(window * length, (window + 1) * length)));
    }
    return each;
  };

  it('adds windows up, those of experts too, whose tokens lie in windows of their own', async () => {
    const experts = '../families/qwen3-moe';
    const few = Int32Array.from({ length: windows * 12 }, (_, i) => (i * i + 7 * i) % 96);
    const all = await collect(experts, few, { windows });
    const each = await eachWindow(experts, few);
    for (const [weight, { sum }] of all) {
      const parts = each.map((sums) => sums.get(weight)?.sum as Float32Array);
      const total = sum.map((_, i) => parts.reduce((result, part) => result + (part[i] as number), 0));
      if (total.some((value) => value !== 0)) expect(relativeError(sum, total), weight).toBeLessThan(1e-4);
      else expect(sum.every((value) => value === 0)).toBe(true);
    }
  });

  it('adds windows up', async () => {
    const all = await collect(name, tokens, { windows });
    const each = await eachWindow(name, tokens);
    for (const [weight, { sum, sumOfSquares }] of all) {
      const parts = each.map((sums) => sums.get(weight)?.sum as Float32Array);
      const total = (of: (g: number) => number) =>
        sum.map((_, i) => parts.reduce((result, part) => result + of(part[i] as number), 0));
      expect(
        relativeError(
          sum,
          total((g) => g),
        ),
      ).toBeLessThan(1e-6);
      expect(
        relativeError(
          sumOfSquares,
          total((g) => g * g),
        ),
      ).toBeLessThan(1e-6);
    }
  });

  it('gives the same bits for any number of workers and of windows in memory', async () => {
    const expected = await collect(name, tokens, { windows });
    for (const way of [{ pool: pools[0] }, { mostWindows: 1 }, { mostWindows: 3 }]) {
      const actual = await collect(name, tokens, { windows, ...way });
      for (const [weight, { sum, sumOfSquares }] of expected) {
        const other = actual.get(weight);
        expect(bytes(other?.sum).equals(bytes(sum))).toBe(true);
        expect(bytes(other?.sumOfSquares).equals(bytes(sumOfSquares))).toBe(true);
      }
    }
  });

  it('keeps of each block only what it reads again, on as much disk as is planned', async () => {
    const length = RANGE_TOKENS + 76;
    const { model } = await goldenModel(name);
    const states = 2 * length * model.hiddenSize * 4;
    const record = 2 * wholeRecordBytes(model, length);
    expect(record).toBeGreaterThan(states);
    const many = Int32Array.from({ length: 2 * length }, (_, i) => (i * i + 7 * i) % 160);
    const { largest, look } = sizesSeen();
    await collect(name, many, { windows: 2, look });
    expect(largest('gradients-input-1')).toBe(states);
    // The inputs of three blocks, the last output, and two of the size of the states for the gradients.
    expect(largest('all')).toBe(3 * states + record + 2 * states);
    expect(gradientFilesBytes(model, 2, length)).toBe(largest('all'));
  });

  it('keeps no more of a block with experts, whose tokens take what is planned at most', async () => {
    const { model } = await goldenModel('../families/qwen3-moe');
    const few = Int32Array.from({ length: windows * 12 }, (_, i) => (i * i + 7 * i) % 96);
    const states = windows * 12 * model.hiddenSize * 4;
    const { largest, look } = sizesSeen();
    await collect('../families/qwen3-moe', few, { windows, look });
    const forward = windows * wholeRecordBytes(model, 12);
    expect(forward).toBeGreaterThan(2 * states);
    expect(largest('gradients-input-0')).toBe(states);
    expect(largest('gradients-routing-0')).toBe(forward);
    expect(largest('all')).toBeGreaterThan(4 * states + forward);
    expect(largest('all')).toBeLessThanOrEqual(gradientFilesBytes(model, windows, 12));
  });

  it('gives those of some linears alone', async () => {
    const wanted = (linear: string) => linear.endsWith('k_proj') && linear.includes('layers.1.');
    const some = await collect(name, ids, { wanted });
    const all = await collect(name, ids);
    const weight = 'model.layers.1.self_attn.k_proj.weight';
    expect([...some.keys()]).toEqual([weight]);
    const [actual, expected] = [some, all].map((sums) => sums.get(weight)?.sum) as [
      Float32Array,
      Float32Array,
    ];
    expect(relativeError(actual, expected)).toBeLessThan(1e-6);
    expect((await collect(name, ids, { wanted: () => false })).size).toBe(0);
  });
});
