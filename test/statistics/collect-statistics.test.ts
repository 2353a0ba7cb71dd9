import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { HiddenStates } from '../../src/forward/hidden-states.js';
import type { WindowArguments, WindowResult } from '../../src/forward/window-task.js';
import {
  activationOutputName,
  type BlockPass,
  planPasses,
  sumOutputName,
} from '../../src/graph/block-passes.js';
import { describeModel } from '../../src/model/describe-model.js';
import type { BlockDescription } from '../../src/model/description.js';
import { GraphStore } from '../../src/runtime/compiled-graph.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { StatisticsCollector } from '../../src/statistics/collect-statistics.js';
import { gramStrips } from '../../src/statistics/gram-layout.js';
import type { GramRef } from '../../src/statistics/group-statistics.js';
import { collectGarbage } from '../../src/system/collect-garbage.js';
import { float32View } from '../../src/system/native-memory.js';
import { nativeTensor } from '../support/native.js';
import { normals } from '../support/random.js';

const hidden = 24;
const tokens = 10;
const windows = 7;
const epsilon = 1e-5;
const config = {
  model_type: 'llama',
  hidden_size: hidden,
  intermediate_size: 112,
  num_hidden_layers: 1,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 16,
  rms_norm_eps: epsilon,
};
const [block] = describeModel(config, 'config.json').blocks as [BlockDescription];
const data = normals(windows * tokens * hidden, 3);
const weightData = new Map(
  block.tensors.map(({ name, shape }, index) => [
    name,
    normals(
      shape.reduce((a, b) => a * b, 1),
      index,
    ).map((value) => value * 0.3),
  ]),
);
const weights = Object.fromEntries(
  block.tensors.map(({ name, shape }) => [name, nativeTensor(weightData.get(name) as Float32Array, shape)]),
);
const folder = mkdtempSync(join(tmpdir(), 'secateur-test-'));
const pools = [1, 2, 3].map((size) => new WorkerPool(size));
afterAll(async () => {
  await Promise.all(pools.map((pool) => pool.close()));
  rmSync(folder, { recursive: true });
});

async function collect(
  pool: WorkerPool,
  gramWindows: number,
  values = data,
  mostRanges?: number,
  moments = true,
  counted?: number,
) {
  const states = new HiddenStates(join(folder, 'states'), windows, tokens, hidden);
  writeFileSync(states.path, values);
  const collector = new StatisticsCollector(pool, new GraphStore(), mostRanges);
  const passes = planPasses(block, tokens, new Set(block.linears.map(({ name }) => name)), 'dense');
  return await collector.collect({
    block,
    passes,
    pass: passes.passes[0] as BlockPass,
    weights,
    states,
    counted,
    gramWindows,
    moments,
    onWindow() {},
    onSeconds() {},
  });
}

/** The lower half as a dense matrix. */
function dense({ address, size }: GramRef): Float32Array {
  const matrix = new Float32Array(size * size);
  for (const { first, width, rows, offset } of gramStrips(size)) {
    const strip = float32View(address + BigInt(offset * 4), rows * width);
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < width; j++) {
        matrix[(first + i) * size + first + j] = strip[i * width + j] as number;
      }
    }
  }
  return matrix;
}

/** RMSNorm of every token, the input of the attention, in f64. */
function attentionInput(count: number): Float64Array[] {
  const gain = weightData.get('input_layernorm.weight') as Float32Array;
  return Array.from({ length: count * tokens }, (_, t) => {
    const row = Float64Array.from(data.subarray(t * hidden, (t + 1) * hidden));
    const mean = row.reduce((sum, value) => sum + value * value, 0) / hidden;
    return row.map((value, j) => (value / Math.sqrt(mean + epsilon)) * (gain[j] as number));
  });
}

describe('statistics of a block', () => {
  it.each([
    [windows, 65],
    [3, 3 * tokens],
  ])(
    'rows that fill up the last window are no tokens (Gram matrix of %i windows)',
    async (gramWindows, inGram) => {
      const statistics = await collect(pools[1] as WorkerPool, gramWindows, data, undefined, true, 65);
      expect(statistics.get('attention input')).toMatchObject({ tokens: 65, gram: { tokens: inGram } });
    },
  );

  it.each([windows, 3])(
    'sums and sums of squares over all windows and a Gram matrix over the first %i',
    async (gramWindows) => {
      const statistics = (await collect(pools[1] as WorkerPool, gramWindows)).get('attention input');
      expect(statistics?.tokens).toBe(windows * tokens);
      expect(statistics?.gram?.tokens).toBe(gramWindows * tokens);
      const x = attentionInput(windows);
      const matrix = dense(statistics?.gram as GramRef);
      for (let i = 0; i < hidden; i++) {
        const norm = x.reduce((sum, row) => sum + (row[i] as number) ** 2, 0);
        expect((statistics?.sumOfSquares[i] as number) / norm).toBeCloseTo(1, 5);
        const sum = x.reduce((total, row) => total + (row[i] as number), 0);
        expect(statistics?.sum?.[i]).toBeCloseTo(sum, 4);
        for (let j = 0; j <= i; j++) {
          const product = x
            .slice(0, gramWindows * tokens)
            .reduce((sum, row) => sum + (row[i] as number) * (row[j] as number), 0);
          expect(matrix[i * hidden + j]).toBeCloseTo(product, 3);
        }
      }
    },
  );

  it('the diagonal of every Gram matrix is the sum of squares, in every group', async () => {
    const all = await collect(pools[0] as WorkerPool, windows);
    expect([...all.keys()]).toEqual(['attention input', 'attention output', 'mlp input', 'mlp hidden']);
    expect([...all.values()].map(({ size }) => size)).toEqual([24, 24, 24, 112]);
    for (const { size, sumOfSquares, gram } of all.values()) {
      const matrix = dense(gram as GramRef);
      for (let j = 0; j < size; j++)
        expect((matrix[j * size + j] as number) / (sumOfSquares[j] as number)).toBeCloseTo(1, 4);
    }
  });

  it('is the same to the bit for 1, 2 and 3 workers', async () => {
    const results = [];
    for (const pool of pools) {
      const all = [...(await collect(pool, windows)).values()];
      results.push(all.map(({ sumOfSquares, sum, gram }) => [sumOfSquares, sum, dense(gram as GramRef)]));
    }
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
  });

  it('is the same to the bit however few activations are in memory at a time', async () => {
    const results = [];
    for (const mostRanges of [undefined, 1, 2, 3, 5]) {
      const all = [...(await collect(pools[1] as WorkerPool, windows, data, mostRanges)).values()];
      results.push(all.map(({ sumOfSquares, sum, gram }) => [sumOfSquares, sum, dense(gram as GramRef)]));
    }
    for (const result of results.slice(1)) expect(result).toEqual(results[0]);
  });

  it('has no sums when none are asked for, and otherwise the same', async () => {
    for (const gramWindows of [0, 3]) {
      const pool = pools[1] as WorkerPool;
      const measured = async (moments: boolean) =>
        [...(await collect(pool, gramWindows, data, undefined, moments)).values()].map(
          ({ sum, sumOfSquares, gram }) => ({ sum, rest: [sumOfSquares, gram && dense(gram)] }),
        );
      const [without, with_] = [await measured(false), await measured(true)];
      expect(without.map(({ sum }) => sum)).toEqual([undefined, undefined, undefined, undefined]);
      expect(with_.map(({ sum }) => sum?.length)).toEqual([24, 24, 24, 112]);
      expect(with_.map(({ rest }) => rest)).toEqual(without.map(({ rest }) => rest));
    }
  });

  it('has no Gram matrix when none is asked for', async () => {
    expect((await collect(pools[0] as WorkerPool, 0)).get('mlp hidden')?.gram).toBeUndefined();
  });

  it('names the activation that is not finite', async () => {
    const poisoned = data.slice();
    poisoned[5 * hidden + 2] = Number.NaN;
    await expect(collect(pools[0] as WorkerPool, 0, poisoned)).rejects.toThrow(
      /model\.layers\.0: the attention input/,
    );
  });

  it.each([0, 3])(
    'adds windows up in their order, however they come, and keeps none (Gram matrix of %i)',
    async (gramWindows) => {
      const turn = () => new Promise((resolve) => setTimeout(resolve, 1));
      const returned: Record<string, Float32Array>[] = [];
      const kept: WeakRef<Record<string, Float32Array>>[] = [];
      let most = 0;
      class WatchedPool extends WorkerPool {
        override async run<Arguments, Result>(
          module: string,
          task: (args: Arguments) => Result | Promise<Result>,
          args: Arguments,
        ): Promise<Awaited<Result>> {
          const result = await super.run(module, task, args);
          if (module === 'forward/window-task') await watch(args as WindowArguments, result as WindowResult);
          return result;
        }
      }
      const watch = async ({ record }: WindowArguments, { returned: own }: WindowResult) => {
        const window = record / (tokens * hidden * 4);
        returned[window] = structuredClone(own);
        kept.push(new WeakRef(own));
        // Every third window comes after the next one.
        const waits = window % 3 === 0 && window + 1 < windows;
        do await turn();
        while (waits && !returned[window + 1]);
        collectGarbage();
        most = Math.max(most, kept.filter((each) => each.deref()).length);
      };
      const pool = new WatchedPool(1);
      const all = await collect(pool, gramWindows);
      await pool.close();
      expect(returned).toHaveLength(windows);
      for (const [name, { size, sumOfSquares, sum, gram }] of all) {
        const diagonal = gram && dense(gram);
        const squares = Float64Array.from({ length: size }, (_, j) => diagonal?.[j * size + j] ?? 0);
        const plain = new Float64Array(size);
        for (const each of returned) {
          each[activationOutputName(name)]?.forEach((value, j) => {
            squares[j] = (squares[j] as number) + value;
          });
          each[sumOutputName(name)]?.forEach((value, j) => {
            plain[j] = (plain[j] as number) + value;
          });
        }
        expect(sumOfSquares).toEqual(squares);
        expect(sum).toEqual(plain);
      }
      expect(most).toBeLessThanOrEqual(4);
    },
  );
});
