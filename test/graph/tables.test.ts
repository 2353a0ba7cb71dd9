/** Tables of one graph, and what a graph refuses. */
import { describe, expect, it } from 'vitest';
import { buildBlock } from '../../src/graph/block-scope.js';
import { GraphBuilder } from '../../src/graph/graph-builder.js';
import { add } from '../../src/graph/operators/arithmetic.js';
import { causalAttention } from '../../src/graph/operators/attention.js';
import { rotary } from '../../src/graph/operators/rotary.js';
import type { Value } from '../../src/graph/value.js';
import type { BlockDescription } from '../../src/model/description.js';
import { alibi } from '../../src/model/parts/alibi.js';
import { type Branch, parallelResiduals, sequentialResiduals } from '../../src/model/parts/residuals.js';
import { rotaryEmbedding } from '../../src/model/rotary-embedding.js';
import { evaluator } from '../support/evaluate-graph.js';

const TOKENS = 6;
const x = Float32Array.from({ length: TOKENS * 4 }, (_, i) => Math.sin(i * 1.7));

function evaluated(names: readonly string[], build: (graph: GraphBuilder, x: Value, name: string) => Value) {
  const graph = new GraphBuilder('tables');
  const input = graph.input('x', [TOKENS, 4]);
  for (const name of names) graph.output(`output ${name}`, build(graph, input, name));
  const outputs = evaluator(graph.build())({ x });
  return names.map((name) => [...(outputs[`output ${name}`] as Float32Array)]);
}

const rope = (theta: number) =>
  rotaryEmbedding({ rope_theta: theta, max_position_embeddings: 8 }, { headDim: 4 });

const USES: Readonly<Record<string, (graph: GraphBuilder, x: Value, name: string) => Value>> = {
  'windows of attention': (graph, value, name) =>
    causalAttention(graph, value, value, value, {
      heads: 1,
      keyValueHeads: 1,
      scale: 1,
      window: name === 'first' ? 2 : undefined,
    }),
  'rotary embeddings': (graph, value, name) => rotary(graph, value, 1, rope(name === 'first' ? 10 : 1000)),
  'biases of keys': (graph, value, name) => {
    const product = (slope: number, position: number) => slope * position + 1;
    const bias = alibi(4, name === 'first' ? undefined : { name: 'more', product })(graph, TOKENS);
    return add(graph, graph.node('Transpose', [bias], [TOKENS, 4]), value);
  },
};

describe.each(Object.entries(USES))('two %s in a graph', (_, build) => {
  it('are what each is alone', () => {
    const [first, second] = evaluated(['first', 'second'], build);
    expect(first).not.toEqual(second);
    expect([first]).toEqual(evaluated(['first'], build));
    expect([second]).toEqual(evaluated(['second'], build));
  });
});

it('two tables of one name have one shape', () => {
  const graph = new GraphBuilder('tables');
  const data = () => new Float32Array(4);
  expect(graph.table('table', [4], data)).toBe(graph.table('table', [4], data));
  expect(() => graph.table('table', [2, 2], data)).toThrow('two tables table, of shapes that differ');
});

const block = (forward: BlockDescription['forward']): BlockDescription => ({
  prefix: 'block.',
  hiddenSize: 4,
  tensors: [],
  linears: [],
  graphKey: 'block',
  forward,
});

it('a block routes once', () => {
  const twice = block((scope, hidden) => {
    scope.route(hidden, hidden);
    scope.route(hidden, hidden);
    return hidden;
  });
  expect(() => buildBlock(twice, 2)).toThrow('block block. routes twice');
});

describe('a branch of which all is what experts give', () => {
  const part = { tensors: [], linears: [], apply: () => undefined };
  const norm = { tensors: [], linears: [], apply: (_: unknown, value: Value) => value };

  it('leaves the stream as it is', () => {
    for (const { forward } of [sequentialResiduals([{ part }]), parallelResiduals([{ part }])]) {
      const { hidden, output } = buildBlock(block(forward), 2);
      expect(output).toBe(hidden);
    }
  });

  it.each<[string, Branch, number]>([
    ['a normalisation after it', { part, after: norm }, 1],
    ['a normalisation of the sum', { part, onSum: norm }, 1],
    ['another stream to join', { part, joinsNormed: true }, 1],
    ['a factor', { part }, 2],
  ])('has no %s', (_, branch, factor) => {
    const { forward } = sequentialResiduals([branch], factor);
    expect(() => buildBlock(block(forward), 2)).toThrow('nothing can be done to it');
  });
});
