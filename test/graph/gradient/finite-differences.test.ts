/** The gradients of every operator against finite differences of its forward. */
import { describe, expect, it } from 'vitest';
import { differentiate } from '../../../src/graph/gradient/differentiate.js';
import { GRADIENT_RULES } from '../../../src/graph/gradient/gradient-rules.js';
import { GraphBuilder } from '../../../src/graph/graph-builder.js';
import {
  gelu,
  geluSigmoid,
  geluTanh,
  relu,
  silu,
  squaredRelu,
  tanh,
} from '../../../src/graph/operators/activation.js';
import {
  add,
  clamp,
  divide,
  exponential,
  gemm,
  linear,
  matmul,
  multiply,
  power,
  scale,
  sign,
  subtract,
} from '../../../src/graph/operators/arithmetic.js';
import { causalAttention } from '../../../src/graph/operators/attention.js';
import { layerNorm, rmsNorm, softmax } from '../../../src/graph/operators/normalization.js';
import { reduce } from '../../../src/graph/operators/reduce.js';
import { rotary } from '../../../src/graph/operators/rotary.js';
import { topMask } from '../../../src/graph/operators/routing.js';
import { concat, expand, pad, reshape, slice, transpose } from '../../../src/graph/operators/shape.js';
import { elementCount, type Value } from '../../../src/graph/value.js';
import { evaluator } from '../../support/evaluate-graph.js';
import { normals } from '../../support/random.js';

interface Case {
  readonly name: string;
  /** Shapes of the inputs, with respect to all of which the output is differentiated. */
  readonly inputs: readonly (readonly number[])[];
  build(graph: GraphBuilder, ...inputs: Value[]): Value;
  /** Elements of an input, from standard normal ones. */
  readonly sample?: (value: number, index: number) => number;
}

const turned = (pairs: number, interleaved = false) => ({
  pairs,
  interleaved,
  angles: () => ({ frequencies: Float64Array.of(1, 0.3, 0.05), scale: 1.3 }),
});
const attention = { heads: 4, keyValueHeads: 2, scale: 0.6 };
/** Two chunks of 64 queries and one of 2. */
const tokens = 130;

const cases: Case[] = [
  {
    name: 'add',
    inputs: [
      [3, 4],
      [3, 4],
    ],
    build: add,
  },
  { name: 'add, b over leading axes', inputs: [[2, 3, 4], [4]], build: add },
  {
    name: 'add, b over axes of size 1',
    inputs: [
      [2, 3, 2, 4],
      [3, 1, 4],
    ],
    build: add,
  },
  {
    name: 'subtract',
    inputs: [
      [3, 4],
      [3, 1],
    ],
    build: subtract,
  },
  {
    name: 'multiply',
    inputs: [
      [2, 3, 4],
      [3, 1],
    ],
    build: multiply,
  },
  { name: 'multiply by itself', inputs: [[3, 4]], build: (g, x) => multiply(g, x, x) },
  { name: 'scale', inputs: [[3, 4]], build: (g, x) => scale(g, x, -1.5) },
  {
    name: 'power',
    inputs: [[3, 4]],
    build: (g, x) => power(g, x, -1.5),
    sample: (v) => 1.5 + Math.tanh(v) / 2,
  },
  { name: 'exponential', inputs: [[3, 4]], build: exponential },
  {
    name: 'clamp',
    inputs: [[3, 7]],
    build: (g, x) => clamp(g, x, 0.8),
    // Not near the bounds.
    sample: (value) => value + Math.sign(value) * (Math.abs(value) < 0.8 ? -0.1 : 0.1),
  },
  { name: 'silu', inputs: [[3, 4]], build: silu },
  {
    name: 'division by a column',
    inputs: [
      [3, 4],
      [3, 1],
    ],
    build: divide,
    // Not near 0.
    sample: (value) => value + Math.sign(value),
  },
  {
    name: 'sign',
    inputs: [[3, 4]],
    build: (g, x) => multiply(g, x, sign(g, x)),
    // Away from 0.
    sample: (value) => value + Math.sign(value),
  },
  {
    name: 'a choice of the largest',
    inputs: [[5, 6]],
    build: (g, x) => multiply(g, x, topMask(g, x, 2)),
    // Far enough apart that the same ones stay the largest.
    sample: (value, index) => value / 10 + ((index * 5) % 6),
  },
  {
    name: 'matmul',
    inputs: [
      [2, 3, 4],
      [2, 4, 5],
    ],
    build: matmul,
  },
  {
    name: 'linear',
    inputs: [
      [3, 4],
      [5, 4],
    ],
    build: linear,
  },
  { name: 'linear with a bias', inputs: [[3, 4], [5, 4], [5]], build: linear },
  ...[false, true].flatMap((transposeA) =>
    [false, true].map((transposeB) => ({
      name: `gemm of ${transposeA ? 'aᵀ' : 'a'} and ${transposeB ? 'bᵀ' : 'b'}`,
      inputs: [transposeA ? [4, 3] : [3, 4], transposeB ? [5, 4] : [4, 5], [3, 5]],
      build: (g: GraphBuilder, a: Value, b: Value, c: Value) =>
        gemm(g, a, b, { transposeA, transposeB, alpha: 0.7, c }),
    })),
  ),
  { name: 'softmax', inputs: [[2, 3, 5]], build: softmax },
  { name: 'RMS normalisation', inputs: [[3, 6], [6]], build: (g, x, w) => rmsNorm(g, x, w, 0.1) },
  {
    name: 'RMS normalisation of heads',
    inputs: [[2, 3, 4], [4]],
    build: (g, x, w) => rmsNorm(g, x, w, 1e-5),
  },
  { name: 'rotary embedding', inputs: [[4, 12]], build: (g, x) => rotary(g, x, 2, turned(3)) },
  { name: 'partial rotary embedding', inputs: [[4, 20]], build: (g, x) => rotary(g, x, 2, turned(3)) },
  {
    name: 'rotary embedding of neighbours',
    inputs: [[4, 20]],
    build: (g, x) => rotary(g, x, 2, turned(3, true)),
  },
  ...[gelu, geluTanh, geluSigmoid, tanh].map((activation) => ({
    name: activation.name,
    inputs: [[3, 7]],
    build: activation,
  })),
  ...[relu, squaredRelu].map((activation) => ({
    name: activation.name,
    inputs: [[3, 7]],
    build: activation,
    // Not near the bend.
    sample: (value: number) => value + Math.sign(value) * 0.1,
  })),
  {
    name: 'layer normalisation',
    inputs: [[3, 6], [6], [6]],
    build: (g, x, w, b) => layerNorm(g, x, w, b, 0.1),
  },
  {
    name: 'layer normalisation of heads without bias',
    inputs: [[2, 3, 4], [4]],
    build: (g, x, w) => layerNorm(g, x, w, undefined, 1e-5),
  },
  ...(['ReduceSum', 'ReduceSumSquare', 'ReduceMax'] as const).flatMap((operator) =>
    [false, true].map((keep) => ({
      name: `${operator}${keep ? ', the axis kept' : ''}`,
      inputs: [[2, 5, 3]],
      build: (g: GraphBuilder, x: Value) => reduce(g, operator, x, 1, keep),
      // Far enough apart that the largest stays the largest.
      sample: (value: number, index: number) => value / 10 + ((index * 7) % 5),
    })),
  ),
  { name: 'reshape', inputs: [[3, 4]], build: (g, x) => reshape(g, x, [2, 6]) },
  { name: 'transpose', inputs: [[2, 3, 4]], build: (g, x) => transpose(g, x, [2, 0, 1]) },
  { name: 'slice', inputs: [[3, 7]], build: (g, x) => slice(g, x, 1, 2, 5) },
  {
    name: 'concat',
    inputs: [
      [3, 2],
      [3, 1],
      [3, 4],
    ],
    build: (g, ...parts) => concat(g, parts, 1),
  },
  {
    name: 'slices next to each other, with gaps',
    inputs: [[9, 2]],
    build: (g, x) => concat(g, [slice(g, x, 0, 6, 8), slice(g, x, 0, 1, 3), slice(g, x, 0, 3, 4)], 0),
  },
  {
    name: 'slices that overlap, and the whole',
    inputs: [[2, 9]],
    build: (g, x) =>
      concat(
        g,
        [x, slice(g, x, 1, 0, 3), slice(g, x, 1, 0, 5), slice(g, x, 1, 2, 4), slice(g, x, 1, 6, 9)],
        1,
      ),
  },
  {
    name: 'slices along two axes',
    inputs: [[4, 5]],
    build: (g, x) => add(g, slice(g, slice(g, x, 0, 1, 3), 1, 0, 2), slice(g, slice(g, x, 1, 3, 5), 0, 0, 2)),
  },
  { name: 'pad', inputs: [[2, 3]], build: (g, x) => pad(g, pad(g, x, 1, 2, 1), 0, 0, 1) },
  { name: 'expand', inputs: [[3, 1, 2]], build: (g, x) => expand(g, x, [2, 3, 4, 2]) },
  {
    name: 'gather elements',
    inputs: [[3, 4]],
    build: (g, x) => {
      const indices = g.constant('indices', [3, 2], BigInt64Array.of(0n, 2n, 1n, 1n, 3n, 0n));
      return g.node('GatherElements', [x, indices], [3, 2], { axis: { kind: 'int', value: 1 } });
    },
  },
  {
    name: 'a value that is used several times, under another name too',
    inputs: [
      [3, 4],
      [4, 4],
    ],
    build: (g, x, w) => {
      const y = linear(g, x, w);
      g.output('other', y);
      const z = g.node('Identity', [multiply(g, y, x)], [3, 4]);
      return add(g, multiply(g, linear(g, z, w), y), x);
    },
  },
  {
    name: 'causal attention',
    inputs: [
      [tokens, 12],
      [tokens, 6],
      [tokens, 6],
    ],
    build: (g, q, k, v) => causalAttention(g, q, k, v, attention),
  },
];

function graphsOf({ inputs, build }: Case) {
  const forward = new GraphBuilder('forward');
  const backward = new GraphBuilder('backward');
  const built = [forward, backward].map((graph) => {
    const values = inputs.map((shape, index) => graph.input(`x${index}`, shape));
    return { values, output: build(graph, ...values) };
  }) as [{ values: Value[]; output: Value }, { values: Value[]; output: Value }];
  forward.output('y', built[0].output);
  const [, { values, output }] = built;
  const gradient = backward.input('gradient', output.shape);
  const gradients = differentiate(backward, [{ value: output, gradient }], values);
  for (const [value, result] of gradients) backward.output(`gradient of ${value.name}`, result);
  return {
    forward: forward.build(),
    backward: backward.build(),
    operators: forward.differentiable.map(({ operator }) => operator),
    outputShape: output.shape,
  };
}

const dot = (a: Float32Array, b: Float32Array) =>
  a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);

describe('gradients are those of finite differences', () => {
  it.each(cases)('$name', (test) => {
    const { forward, backward, outputShape } = graphsOf(test);
    const run = evaluator(forward);
    const { sample = (value) => value } = test;
    const point = Object.fromEntries(
      test.inputs.map((shape, index) => [`x${index}`, normals(elementCount(shape), index + 1).map(sample)]),
    );
    const gradient = normals(elementCount(outputShape), 99);
    const gradients = evaluator(backward)({ ...point, gradient });

    for (const [name, x] of Object.entries(point)) {
      const loss = (i: number, step: number) =>
        dot(run({ ...point, [name]: x.with(i, (x[i] as number) + step) }).y as Float32Array, gradient);
      // Five-point stencil: what it leaves out goes with the fourth power of the step.
      const step = 2 ** -5;
      const derivative = (i: number) =>
        (8 * (loss(i, step) - loss(i, -step)) - (loss(i, 2 * step) - loss(i, -2 * step))) / (12 * step);
      const actual = gradients[`gradient of ${name}`] as Float32Array;
      expect(actual.length).toBe(x.length);
      // Of long inputs every 17th element.
      const stride = x.length > 100 ? 17 : 1;
      let [difference, size] = [0, 0];
      for (let i = 0; i < x.length; i += stride) {
        const expected = derivative(i);
        difference += ((actual[i] as number) - expected) ** 2;
        size += expected ** 2;
      }
      expect(size).toBeGreaterThan(0);
      expect(Math.sqrt(difference / size)).toBeLessThan(2e-4);
    }
  });

  it('for every operator that has a rule', () => {
    const covered = new Set(cases.flatMap((test) => graphsOf(test).operators));
    expect(Object.keys(GRADIENT_RULES).filter((operator) => !covered.has(operator))).toEqual([]);
  });
});

describe('differentiate', () => {
  it('names an operator that has no rule', () => {
    const graph = new GraphBuilder('test');
    const x = graph.input('x', [3]);
    const y = graph.node('Floor', [x], [3]);
    expect(() => differentiate(graph, [{ value: y, gradient: x }], [x])).toThrow(
      'Floor has no gradient rule',
    );
  });

  it('names an input that has no gradient', () => {
    const graph = new GraphBuilder('test');
    const [x, indices] = [graph.input('x', [3]), graph.input('indices', [3], 'int64')];
    const y = graph.node('GatherElements', [x, indices], [3]);
    expect(() => differentiate(graph, [{ value: y, gradient: x }], [indices])).toThrow(
      'GatherElements has no gradient for its input 1',
    );
  });

  it('names a wanted value that no output depends on', () => {
    const graph = new GraphBuilder('test');
    const [x, other] = [graph.input('x', [3]), graph.input('other', [3])];
    expect(() => differentiate(graph, [{ value: exponential(graph, x), gradient: x }], [other])).toThrow(
      'no output depends on other',
    );
  });

  it('computes what the wanted values need, and nothing else', () => {
    const graph = new GraphBuilder('test');
    const x = graph.input('x', [3, 4]);
    const [first, second] = [graph.input('first', [4, 4]), graph.input('second', [4, 4])];
    const hidden = exponential(graph, linear(graph, graph.node('Floor', [x], [3, 4]), first));
    const y = linear(graph, hidden, second);
    const before = graph.nodes.length;
    differentiate(graph, [{ value: y, gradient: graph.input('gradient', [3, 4]) }], [second]);
    expect(graph.nodes.slice(before).map(({ operator }) => operator)).toEqual(['Gemm']);
  });
});
