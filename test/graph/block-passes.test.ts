import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { HiddenStates } from '../../src/forward/hidden-states.js';
import { ModelStream } from '../../src/forward/model-stream.js';
import {
  type BlockPasses,
  linearsBeforeMixing,
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
const freshWeights = (of = block) =>
  Object.fromEntries(
    of.tensors.map(({ name, shape }, index) => [
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

describe('passes of a block of whose attention a part is pruned', () => {
  /** Of two heads. */
  const few = hidden / 2;
  const sizes = { hidden_size: hidden, intermediate_size: inner, num_hidden_layers: 1, vocab_size: 16 };
  const grouped = { ...sizes, num_attention_heads: 4, num_key_value_heads: 2, pad_token_id: 0 };
  const whole = { hidden_size: hidden, n_layer: 1, n_head: 4, vocab_size: 16 };
  /** Four heads of 4 + 2 features, of which two are rotated; values of 5. */
  const latent = {
    ...sizes,
    num_attention_heads: 4,
    num_key_value_heads: 4,
    kv_lora_rank: 16,
    qk_nope_head_dim: 4,
    qk_rope_head_dim: 2,
    v_head_dim: 5,
    first_k_dense_replace: 1,
    n_routed_experts: 8,
    num_experts_per_tok: 2,
    moe_intermediate_size: 8,
    routed_scaling_factor: 1,
  };
  const blockOf = (type: string, sizes: Readonly<Record<string, unknown>>) =>
    describeModel({ ...sizes, model_type: type }, 'config.json').blocks[0] as BlockDescription;
  const blocks = {
    llama: block,
    mistral: blockOf('mistral', { ...grouped, sliding_window: 40 }),
    phi3: blockOf('phi3', grouped),
    gpt2: blockOf('gpt2', { ...whole, n_embd: hidden }),
    bloom: blockOf('bloom', whole),
    gptj: blockOf('gptj', { ...whole, n_embd: hidden, rotary_dim: 4 }),
    deepseek_v2: blockOf('deepseek_v2', { ...latent, q_lora_rank: 20 }),
    deepseek_v3: blockOf('deepseek_v3', { ...latent, q_lora_rank: null }),
  };

  it.each([
    ['llama', ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj']],
    ['phi3', ['self_attn.qkv_proj.q', 'self_attn.qkv_proj.k', 'self_attn.qkv_proj.v']],
    ['gpt2', ['attn.c_attn.q', 'attn.c_attn.k', 'attn.c_attn.v']],
    ['bloom', ['query', 'key', 'value'].map((part) => `self_attention.query_key_value.${part}`)],
    // What feeds the feed-forward network beside attention is none of them.
    ['gptj', ['attn.q_proj', 'attn.k_proj', 'attn.v_proj']],
    [
      'deepseek_v2',
      ['q_a_proj', 'q_b_proj', 'kv_a_proj_with_mqa', 'kv_b_proj'].map((name) => `self_attn.${name}`),
    ],
  ] as const)('knows the linears that attention depends on (%s)', (of, names) => {
    expect([...linearsBeforeMixing(blocks[of], tokens)].sort()).toEqual([...names].sort());
  });

  it.each([
    ['llama', ['self_attn.q_proj'], [hidden, few, few]],
    ['llama', ['self_attn.k_proj'], [hidden, few, hidden]],
    ['llama', ['self_attn.v_proj'], [hidden, few, hidden]],
    ['llama', ['self_attn.q_proj', 'self_attn.k_proj'], [hidden, few]],
    ['llama', ['self_attn.q_proj', 'self_attn.v_proj'], [hidden, few]],
    ['llama', ['self_attn.k_proj', 'self_attn.v_proj'], [hidden, hidden]],
    ['mistral', ['self_attn.q_proj'], [hidden, few, few]],
    ['mistral', ['self_attn.v_proj'], [hidden, few, hidden]],
    ['phi3', ['self_attn.qkv_proj.v'], [hidden, few, hidden]],
    ['gpt2', ['attn.c_attn.v'], [hidden, hidden, hidden]],
    ['bloom', ['self_attention.query_key_value.value'], [hidden, hidden, hidden]],
    // What is rotated of the keys, for every head, and the latent.
    ['deepseek_v2', ['self_attn.kv_b_proj'], [hidden, hidden, 8, 16]],
    [
      'deepseek_v3',
      ['self_attn.q_proj', 'self_attn.kv_a_proj_with_mqa', 'self_attn.kv_b_proj'],
      [hidden, hidden, 8, 16],
    ],
  ] as const)(
    'carry none of its weights, and give the output of the whole block (%s, %j)',
    async (of, names, features) => {
      const planned = planPasses(blocks[of], tokens, new Set(names), 'pruned');
      const carried = planned.passes.at(-1)?.reads.map(({ shape }) => elementCount(shape) / tokens);
      expect(carried).toEqual(features);
      const weights = freshWeights(blocks[of]);
      const states = newStates();
      await stream.propagate(blocks[of], weights, states);
      expect((await run(planned, weights)).output).toEqual(read(states));
    },
  );

  it.each([
    // Rotation is by the place in the window.
    ['llama', ['self_attn.v_proj'], [1, 1, 2]],
    ['llama', ['self_attn.q_proj', 'self_attn.k_proj'], [2, 1, 2]],
    ['gpt2', ['attn.c_attn.v'], [2, 1, 2]],
  ] as const)('go through long windows in ranges (%s, %j)', async (of, names, ranges) => {
    const planned = planPasses(blocks[of], long, new Set(names), 'pruned');
    const weights = freshWeights(blocks[of]);
    const states = newStates(planWholeBlock(blocks[of], long).recordBytes, 2, long);
    await stream.propagate(blocks[of], weights, states);
    expect((await run(planned, weights)).output).toEqual(read(states));
    expect(planned.passes.map((pass) => passRanges(planned, pass).length)).toEqual(ranges);
  });
});
