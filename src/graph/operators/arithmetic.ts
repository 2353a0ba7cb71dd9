/**
 * Element-wise operators and products.
 * @module
 */
import type { GraphBuilder } from '../graph-builder.js';
import type { Value } from '../value.js';
import { dimension } from './shape.js';

/** a + b; b may have fewer axes and is then repeated over the leading ones of a. */
export function add(graph: GraphBuilder, a: Value, b: Value): Value {
  return graph.node('Add', [a, b], a.shape);
}

/** a · b element by element; b may have fewer axes and is then repeated over the leading ones of a. */
export function multiply(graph: GraphBuilder, a: Value, b: Value): Value {
  return graph.node('Mul', [a, b], a.shape);
}

/** a − b element by element, b repeated like in `add`. */
export function subtract(graph: GraphBuilder, a: Value, b: Value): Value {
  return graph.node('Sub', [a, b], a.shape);
}

/** a / b element by element, b repeated like in `add`. */
export function divide(graph: GraphBuilder, a: Value, b: Value): Value {
  return graph.node('Div', [a, b], a.shape);
}

/** factor · x */
export function scale(graph: GraphBuilder, x: Value, factor: number): Value {
  return graph.node('Mul', [x, graph.constant('factor', [], Float32Array.of(factor))], x.shape);
}

/** x to a constant power, element by element */
export function power(graph: GraphBuilder, x: Value, exponent: number): Value {
  return graph.node('Pow', [x, graph.constant('exponent', [], Float32Array.of(exponent))], x.shape);
}

export function squareRoot(graph: GraphBuilder, x: Value): Value {
  return graph.node('Sqrt', [x], x.shape);
}

/** −1, 0 or 1, element by element */
export function sign(graph: GraphBuilder, x: Value): Value {
  return graph.node('Sign', [x], x.shape);
}

export function exponential(graph: GraphBuilder, x: Value): Value {
  return graph.node('Exp', [x], x.shape);
}

/** x within bounds, ±most where only one is given, element by element */
export function clamp(graph: GraphBuilder, x: Value, most: number, least = -most): Value {
  const [low, high] = [least, most].map((limit) => graph.constant('bound', [], Float32Array.of(limit)));
  return graph.node('Clip', [x, low as Value, high as Value], x.shape);
}

/** Matrix product over the last two axes; leading axes must be equal. */
export function matmul(graph: GraphBuilder, a: Value, b: Value): Value {
  const inner = dimension(a, a.shape.length - 1);
  if (inner !== dimension(b, b.shape.length - 2)) {
    throw new Error(`matmul: [${a.shape.join(', ')}] by [${b.shape.join(', ')}]`);
  }
  return graph.node('MatMul', [a, b], [...a.shape.slice(0, -1), dimension(b, b.shape.length - 1)]);
}

export interface GemmOptions {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  readonly alpha?: number;
  /** Added to the product: of its shape, or [columns] for every row. */
  readonly c?: Value | undefined;
}

/** alpha · op(a) · op(b) (+ c) for matrices, op being the transpose where asked for. */
export function gemm(graph: GraphBuilder, a: Value, b: Value, options: GemmOptions = {}): Value {
  const { transposeA = false, transposeB = false, alpha = 1, c } = options;
  const [rows, innerA] = transposeA ? [1, 0] : [0, 1];
  const [innerB, columns] = transposeB ? [1, 0] : [0, 1];
  if (dimension(a, innerA) !== dimension(b, innerB)) {
    const factor = ({ name, shape }: Value) => `${name} [${shape.join(', ')}]`;
    throw new Error(`gemm: axis ${innerA} of ${factor(a)} by axis ${innerB} of ${factor(b)}`);
  }
  return graph.node('Gemm', c ? [a, b, c] : [a, b], [dimension(a, rows), dimension(b, columns)], {
    transA: { kind: 'int', value: transposeA ? 1 : 0 },
    transB: { kind: 'int', value: transposeB ? 1 : 0 },
    alpha: { kind: 'float', value: alpha },
  });
}

/** x · Wᵀ (+ bias): x [tokens, in], weight [out, in], bias [out] → [tokens, out]. */
export function linear(graph: GraphBuilder, x: Value, weight: Value, bias?: Value): Value {
  if (dimension(x, 1) !== dimension(weight, 1)) {
    throw new Error(`linear ${weight.name}: input ${dimension(x, 1)}, weight [${weight.shape.join(', ')}]`);
  }
  return gemm(graph, x, weight, { transposeB: true, c: bias });
}
