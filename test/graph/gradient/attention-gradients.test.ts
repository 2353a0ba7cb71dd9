/** Attention's backward in chunks against that of the same attention in one piece, and how much memory it takes. */
import { describe, expect, it } from 'vitest';
import { blockGradientGraph } from '../../../src/graph/block-gradient-graph.js';
import { differentiate } from '../../../src/graph/gradient/differentiate.js';
import { type Graph, GraphBuilder } from '../../../src/graph/graph-builder.js';
import { peakIntermediateBytes } from '../../../src/graph/intermediate-bytes.js';
import { tanh } from '../../../src/graph/operators/activation.js';
import { add, matmul, scale } from '../../../src/graph/operators/arithmetic.js';
import { type AttentionShape, causalAttention } from '../../../src/graph/operators/attention.js';
import { softmax } from '../../../src/graph/operators/normalization.js';
import { concat, expand, reshape, slice, transpose } from '../../../src/graph/operators/shape.js';
import type { Value } from '../../../src/graph/value.js';
import { describeModel } from '../../../src/model/describe-model.js';
import { evaluator } from '../../support/evaluate-graph.js';
import { normals } from '../../support/random.js';
import { relativeError } from '../../support/relative-error.js';

type Attention = typeof causalAttention;

/** All queries against all keys, key/value heads repeated; its operators are differentiated one by one. */
const wholeAttention: Attention = (graph, q, k, v, shape, { keyBias, sinks } = {}) => {
  const { heads, keyValueHeads, softcap, window = Number.POSITIVE_INFINITY } = shape;
  const [tokens = 0] = q.shape;
  const repeated = (x: Value) => {
    const features = (x.shape[1] ?? 0) / keyValueHeads;
    const split = reshape(graph, x, [tokens, keyValueHeads, 1, features]);
    const group = expand(graph, split, [tokens, keyValueHeads, heads / keyValueHeads, features]);
    return reshape(graph, group, [tokens, heads, features]);
  };
  const [, width = 0] = q.shape;
  const queries = transpose(graph, reshape(graph, q, [tokens, heads, width / heads]), [1, 0, 2]);
  const product = matmul(graph, queries, transpose(graph, repeated(k), [1, 2, 0]));
  const plain = scale(graph, product, shape.scale);
  const scores = softcap ? scale(graph, tanh(graph, scale(graph, plain, 1 / softcap)), softcap) : plain;
  const biased = keyBias ? add(graph, scores, reshape(graph, keyBias, [heads, 1, tokens])) : scores;
  const mask = Float32Array.from({ length: tokens * tokens }, (_, i) => {
    const [query, key] = [Math.floor(i / tokens), i % tokens];
    return key > query || key <= query - window ? Number.NEGATIVE_INFINITY : 0;
  });
  const masked = add(graph, biased, graph.constant('mask', [tokens, tokens], mask));
  const sink = sinks && expand(graph, reshape(graph, sinks, [heads, 1, 1]), [heads, tokens, 1]);
  const weights = sink
    ? slice(graph, softmax(graph, concat(graph, [masked, sink], 2)), 2, 0, tokens)
    : softmax(graph, masked);
  const mixed = transpose(graph, matmul(graph, weights, transpose(graph, repeated(v), [1, 0, 2])), [1, 0, 2]);
  return reshape(graph, mixed, [tokens, heads * (mixed.shape[2] ?? 0)]);
};

interface Tried extends AttentionShape {
  readonly headDim: number;
  readonly valueDim: number;
  readonly withBias?: boolean;
  readonly withSinks?: boolean;
}

function backwardGraph(attention: Attention, tokens: number, shape: Tried): Graph {
  const graph = new GraphBuilder('test');
  const { heads, keyValueHeads, headDim, valueDim } = shape;
  const input = (name: string, features: number) => graph.input(name, [tokens, features]);
  const wanted = [
    input('q', heads * headDim),
    input('k', keyValueHeads * headDim),
    input('v', keyValueHeads * valueDim),
  ] as const;
  const bias = () => Float32Array.from({ length: heads * tokens }, (_, i) => Math.sin(i));
  const keyBias = shape.withBias ? graph.table('bias', [heads, tokens], bias) : undefined;
  const sinks = shape.withSinks ? graph.input('sinks', [heads]) : undefined;
  const value = attention(graph, ...wanted, shape, { keyBias, sinks });
  const gradient = input('gradient', heads * valueDim);
  const gradients = differentiate(graph, [{ value, gradient }], wanted);
  graph.output('forward', value);
  for (const [{ name }, gradient] of gradients) graph.output(`gradient of ${name}`, gradient);
  return graph.build();
}

function inputsOf({ inputs, tables }: Graph): Record<string, Float32Array> {
  const given = inputs.filter((value) => !tables.some((table) => table.value === value));
  return Object.fromEntries(
    given.map(({ name, shape: [rows = 0, columns = 1] }, seed) => [name, normals(rows * columns, seed + 1)]),
  );
}

const small: Tried = { heads: 4, keyValueHeads: 2, headDim: 8, valueDim: 8, scale: 8 ** -0.5 };

// Chunks are of 64 queries, and the first of the backward of 32.
it.each([1, 20, 32, 50, 64, 96, 97, 130, 200])('is that of attention in one piece, %d tokens', (tokens) => {
  const [chunked, whole] = [causalAttention, wholeAttention].map((attention) => {
    const graph = backwardGraph(attention, tokens, small);
    return evaluator(graph)(inputsOf(graph));
  });
  for (const name of ['q', 'k', 'v'].map((input) => `gradient of ${input}`)) {
    const [actual, expected] = [chunked?.[name], whole?.[name]] as [Float32Array, Float32Array];
    // A single token attends to nothing else, whatever it asks.
    if (tokens === 1 && name !== 'gradient of v')
      expect(Math.max(...actual.map(Math.abs))).toBeLessThan(1e-6);
    else expect(relativeError(actual, expected)).toBeLessThan(2e-5);
  }
});

it.each<[string, Partial<Tried>]>([
  ['a window', { window: 40 }],
  ['a window of one key', { window: 1 }],
  ['a window shorter than a chunk and one as long', { window: 64 }],
  ['a softcap', { softcap: 1.5 }],
  ['a bias of the keys', { withBias: true }],
  ['sinks', { withSinks: true }],
  ['other features of values', { valueDim: 5 }],
  ['all of them', { window: 70, softcap: 2, withBias: true, withSinks: true, valueDim: 6, scale: 0.4 }],
])('is that of attention in one piece with %s', (_, choices) => {
  for (const tokens of [33, 130]) {
    const shape = { ...small, ...choices };
    const [chunked, whole] = [causalAttention, wholeAttention].map((attention) => {
      const graph = backwardGraph(attention, tokens, shape);
      return evaluator(graph)(inputsOf(graph));
    });
    for (const name of Object.keys(whole ?? {})) {
      const [actual, expected] = [chunked?.[name], whole?.[name]] as [Float32Array, Float32Array];
      const size = Math.max(...expected.map(Math.abs));
      if (size < 1e-6) expect(Math.max(...actual.map(Math.abs)), name).toBeLessThan(1e-5);
      else expect(relativeError(actual, expected), name).toBeLessThan(2e-5);
    }
  }
});

describe('memory', () => {
  const smolLm2 = { heads: 9, keyValueHeads: 3, headDim: 64, valueDim: 64, scale: 1 / 8 };

  it('of a block is predicted to grow with the tokens, not with their pairs', () => {
    const model = describeModel(
      {
        model_type: 'llama',
        hidden_act: 'silu',
        rms_norm_eps: 1e-5,
        num_hidden_layers: 1,
        vocab_size: 100,
        hidden_size: 576,
        intermediate_size: 1536,
        num_attention_heads: 9,
        num_key_value_heads: 3,
        max_position_embeddings: 8192,
      },
      'test',
    );
    const [block] = model.blocks;
    if (!block) throw new Error('no block');
    const names = block.linears.map(({ name }) => name);
    const bytes = (tokens: number) => peakIntermediateBytes(blockGradientGraph(block, tokens, names));
    const perToken = [512, 1024, 2048].map((tokens) => bytes(tokens) / tokens);
    for (const each of perToken) expect(each).toBeLessThan(1.02 * (perToken[0] as number));
    expect(perToken[0]).toBeLessThan(52_000);
  });

  it('of attention is predicted to grow with the tokens', () => {
    const bytes = (tokens: number) => peakIntermediateBytes(backwardGraph(causalAttention, tokens, smolLm2));
    const [short, long] = [bytes(512), bytes(2048)];
    expect(long).toBeLessThan(4 * 1.02 * short);
  });

  it('that onnxruntime takes for attention stays near the prediction', () => {
    const graph = backwardGraph(causalAttention, 2048, smolLm2);
    const run = evaluator(graph);
    const inputs = inputsOf(graph);
    const before = process.memoryUsage().rss;
    const results = run(inputs);
    const grown = process.memoryUsage().rss - before;
    const own = Object.values(results).reduce((sum, { byteLength }) => sum + byteLength, 0);
    // The arena keeps what it had at the worst moment. All chunks' weights would be 9 · 2048² / 2 numbers, 75 MB, and what
    // they are made from as much again.
    expect(grown - own).toBeLessThan(3 * peakIntermediateBytes(graph));
  });
});
