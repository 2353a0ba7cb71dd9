import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { HiddenStates } from '../../src/forward/hidden-states.js';
import { ModelStream } from '../../src/forward/model-stream.js';
import {
  type BlockPasses,
  passRanges,
  planPasses,
  planWholeBlock,
  pruningPasses,
  RANGE_TOKENS,
} from '../../src/graph/block-passes.js';
import { elementCount } from '../../src/graph/value.js';
import { describeModel } from '../../src/model/describe-model.js';
import type { BlockDescription } from '../../src/model/description.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { StatisticsCollector } from '../../src/statistics/collect-statistics.js';
import { float32View } from '../../src/system/native-memory.js';
import { fillStates } from '../support/fill-states.js';
import { nativeTensor } from '../support/native.js';
import { normals } from '../support/random.js';

const hidden = 24;
const inner = 112;
const tokens = 70;
const windows = 5;
const config = {
  model_type: 'llama',
  hidden_size: hidden,
  intermediate_size: inner,
  num_hidden_layers: 1,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 16,
  attention_bias: true,
};
const model = describeModel(config, 'config.json');
const [block] = model.blocks as [BlockDescription];
const all = new Set(block.linears.map(({ name }) => name));
const freshWeights = () =>
  Object.fromEntries(
    block.tensors.map(({ name, shape }, index) => [
      name,
      nativeTensor(
        normals(
          shape.reduce((a, b) => a * b, 1),
          index,
        ).map((value) => value * 0.3),
        shape,
      ),
    ]),
  );
const long = RANGE_TOKENS + 300;
const input = normals(2 * long * hidden, 3);
const folder = mkdtempSync(join(tmpdir(), 'secateur-test-'));
const pool = new WorkerPool(2);
const stream = new ModelStream(model, pool);
afterAll(async () => {
  stream.dispose();
  await pool.close();
  rmSync(folder, { recursive: true });
});

let files = 0;
function newStates(recordBytes = 0, count = windows, length = tokens): HiddenStates {
  const states = new HiddenStates(join(folder, `states-${files++}`), count, length, hidden, recordBytes);
  return fillStates(states, input, hidden);
}

/** Hidden states of every window. */
function read(states: HiddenStates): Uint8Array[] {
  const bytes = readFileSync(states.path);
  return Array.from({ length: states.windows }, (_, window) =>
    bytes.subarray(states.offset(window), states.offset(window) + states.tokens * hidden * 4),
  );
}

type Weights = ReturnType<typeof freshWeights>;

/** Runs the passes, changing weights between them; returns Σx² of each group and the block's output. */
async function run(passes: BlockPasses, weights: Weights, between: (groups: string[]) => void = () => {}) {
  const { block } = passes;
  const states = newStates(passes.recordBytes, passes.tokens === long ? 2 : windows, passes.tokens);
  const collector = new StatisticsCollector(pool, stream.graphs);
  const sums = new Map<string, Float64Array>();
  for (const pass of pruningPasses(passes)) {
    const statistics = await collector.collect({
      block,
      passes,
      pass,
      weights,
      states,
      gramWindows: 1,
      moments: false,
      onWindow() {},
      onSeconds() {},
    });
    for (const [name, { sumOfSquares }] of statistics) sums.set(name, sumOfSquares);
    between([...statistics.keys()]);
  }
  await stream.propagate(block, weights, states, { passes });
  collector.dispose();
  return { sums, output: read(states) };
}

/** Zeroes every third weight of the linears that read the given groups. */
function prune(weights: Weights, groups: readonly string[]): void {
  for (const { name, inputGroup } of block.linears) {
    if (!groups.includes(inputGroup)) continue;
    const { address = 0n, shape = [] } = weights[`${name}.weight`] ?? {};
    const data = float32View(address, (shape[0] ?? 0) * (shape[1] ?? 0));
    for (let i = 0; i < data.length; i += 3) data[i] = 0;
  }
}

describe('passes of a Llama block', () => {
  it('stop where pruned linears read, and carry what follows cheaply from nothing else', () => {
    const { passes, recordBytes } = planPasses(block, tokens, all, 'pruned');
    expect(passes.map(({ groups }) => groups.map(({ name }) => name))).toEqual([
      ['attention input'],
      ['attention output'],
      ['mlp input'],
      ['mlp hidden'],
      [],
    ]);
    const sizes = passes.map(({ reads }) => reads.map(({ shape, offset }) => [shape[1], offset]));
    const second = tokens * hidden * 4;
    expect(sizes).toEqual([
      [[hidden, 0]],
      [[hidden, 0]],
      [
        [hidden, 0],
        [hidden, second],
      ],
      [[hidden, 0]],
      [
        [hidden, 0],
        [inner, second],
      ],
    ]);
    expect(recordBytes).toBe(tokens * (hidden + inner) * 4);
  });

  it('leave out linears that stay dense', () => {
    const { passes } = planPasses(block, tokens, new Set(['mlp.down_proj', 'mlp.up_proj']), 'pruned');
    expect(passes.map(({ groups }) => groups.map(({ name }) => name))).toEqual([
      ['mlp input'],
      ['mlp hidden'],
      [],
    ]);
    expect(planPasses(block, tokens, new Set(), 'pruned').passes).toHaveLength(1);
  });

  it('measure everything at once when inputs are to be dense', () => {
    const { passes } = planPasses(block, tokens, all, 'dense');
    expect(passes.map(({ groups }) => groups.length)).toEqual([4, 0]);
    expect(passes[1]?.reads.map(({ name }) => name)).toEqual(['hidden']);
  });

  it.each(['pruned', 'mixed', 'dense'] as const)(
    'give the output of the whole block (%s inputs)',
    async (inputs) => {
      const weights = freshWeights();
      const states = newStates();
      await stream.propagate(block, weights, states);
      const { output } = await run(planPasses(block, tokens, all, inputs), weights);
      expect(output).toEqual(read(states));
    },
  );

  it.each(['pruned', 'mixed'] as const)(
    'measure linears behind those pruned before them (%s)',
    async (inputs) => {
      const weights = freshWeights();
      const sequential = await run(planPasses(block, tokens, all, inputs), weights, (groups) =>
        prune(weights, groups),
      );
      const dense = await run(planPasses(block, tokens, all, 'dense'), freshWeights());
      // The weights are pruned by now; measured at once, every group sees what the passes saw.
      const afterwards = await run(planPasses(block, tokens, all, 'dense'), weights);
      expect(sequential.output).toEqual(afterwards.output);
      for (const [name, sums] of sequential.sums) {
        const isAsItWas = inputs === 'mixed' && name === 'attention output';
        expect(sums).toEqual((isAsItWas ? dense : afterwards).sums.get(name));
        if (name !== 'attention input')
          expect(sums).not.toEqual((isAsItWas ? afterwards : dense).sums.get(name));
      }
    },
  );

  it('compute attention once where its queries, keys and values stay dense', () => {
    const names = ['self_attn.o_proj', 'mlp.down_proj'];
    const { passes } = planPasses(block, tokens, new Set(names), 'mixed');
    expect(passes.map(({ groups }) => groups.map(({ name }) => name))).toEqual([
      ['attention output'],
      ['mlp hidden'],
      [],
    ]);
    expect(passes[0]?.writes.length).toBeGreaterThan(0);
  });

  it('carry what the chunks of a sliding window read parts of, not each of the parts', async () => {
    const [sliding] = describeModel({ ...config, model_type: 'mistral', sliding_window: 40 }, 'config.json')
      .blocks as [BlockDescription];
    const planned = planPasses(sliding, tokens, new Set(['self_attn.q_proj', 'mlp.down_proj']), 'pruned');
    const sizes = planned.passes[1]?.reads.map(({ shape }) => elementCount(shape) / tokens);
    // Two heads of six features, for keys and for values.
    expect(sizes).toEqual([hidden, 12, 12]);
    expect(planned.recordBytes).toBe(tokens * (hidden + inner) * 4);
    const weights = freshWeights();
    const states = newStates();
    await stream.propagate(sliding, weights, states);
    expect((await run(planned, weights)).output).toEqual(read(states));
  });

  it('take long windows in ranges of tokens where tokens are not mixed', () => {
    const ranges = (passes: BlockPasses) => passes.passes.map((pass) => passRanges(passes, pass).length);
    expect(ranges(planPasses(block, long, all, 'pruned'))).toEqual([2, 1, 2, 2, 2]);
    expect(ranges(planPasses(block, long, all, 'mixed'))).toEqual([1, 2, 1, 2, 2, 2]);
    expect(ranges(planWholeBlock(block, long))).toEqual([1, 2]);
    expect(ranges(planWholeBlock(block, RANGE_TOKENS))).toEqual([1]);
    expect(ranges(planPasses(block, long, all, 'dense'))).toEqual([1, 1, 2]);
  });

  it.each(['pruned', 'mixed'] as const)(
    'give in ranges what the window gives at once (%s inputs)',
    async (inputs) => {
      const weights = freshWeights();
      const whole = planWholeBlock(block, long);
      const states = newStates(whole.recordBytes, 2, long);
      await stream.propagate(block, weights, states);
      const sequential = await run(planPasses(block, long, all, inputs), weights);
      expect(sequential.output).toEqual(read(states));
      // With dense inputs one graph measures everything.
      const { sums } = await run(planPasses(block, long, all, 'dense'), weights);
      for (const [name, expected] of sums) {
        const actual = sequential.sums.get(name) ?? [];
        for (const [j, value] of expected.entries()) expect((actual[j] ?? 0) / value).toBeCloseTo(1, 5);
      }
      // Attention is causal: a window of the first tokens, short enough for one graph, gives the same for them.
      const short = newStates(0, 1, RANGE_TOKENS);
      await stream.propagate(block, weights, short);
      const [start = new Uint8Array()] = read(short);
      expect(read(states)[0]?.subarray(0, start.length)).toEqual(start);
    },
  );
});
