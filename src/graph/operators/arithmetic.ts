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

/** factor · x */
export function scale(graph: GraphBuilder, x: Value, factor: number): Value {
  return graph.node('Mul', [x, graph.constant('factor', [], Float32Array.of(factor))], x.shape);
}

export function exponential(graph: GraphBuilder, x: Value): Value {
  return graph.node('Exp', [x], x.shape);
}

/** Matrix product over the last two axes; leading axes must be equal. */
export function matmul(graph: GraphBuilder, a: Value, b: Value): Value {
  const inner = dimension(a, a.shape.length - 1);
  if (inner !== dimension(b, b.shape.length - 2)) {
    throw new Error(`matmul: [${a.shape.join(', ')}] by [${b.shape.join(', ')}]`);
  }
  return graph.node('MatMul', [a, b], [...a.shape.slice(0, -1), dimension(b, b.shape.length - 1)]);
}

/** x · Wᵀ (+ bias): x [tokens, in], weight [out, in], bias [out] → [tokens, out]. */
export function linear(graph: GraphBuilder, x: Value, weight: Value, bias?: Value): Value {
  if (dimension(x, 1) !== dimension(weight, 1)) {
    throw new Error(`linear ${weight.name}: input ${dimension(x, 1)}, weight [${weight.shape.join(', ')}]`);
  }
  const inputs = bias ? [x, weight, bias] : [x, weight];
  return graph.node('Gemm', inputs, [dimension(x, 0), dimension(weight, 0)], {
    transB: { kind: 'int', value: 1 },
  });
}
