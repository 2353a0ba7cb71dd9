/**
 * Activation functions.
 * @module
 */
import type { GraphBuilder } from '../graph-builder.js';
import type { Value } from '../value.js';
import { multiply, scale } from './arithmetic.js';

/** x · sigmoid(x) (Elfwing et al. 2017, arXiv 1702.03118). */
export function silu(graph: GraphBuilder, x: Value): Value {
  return multiply(graph, x, sigmoid(graph, x));
}

export function sigmoid(graph: GraphBuilder, x: Value): Value {
  return graph.node('Sigmoid', [x], x.shape);
}

/** x · Φ(x), Φ the standard normal distribution (Hendrycks & Gimpel 2016, arXiv 1606.08415). */
export function gelu(graph: GraphBuilder, x: Value): Value {
  return graph.node('Gelu', [x], x.shape, { approximate: { kind: 'string', value: 'none' } });
}

/** The same with Φ approximated by tanh (section 2 there). */
export function geluTanh(graph: GraphBuilder, x: Value): Value {
  return graph.node('Gelu', [x], x.shape, { approximate: { kind: 'string', value: 'tanh' } });
}

/** x · sigmoid(1.702·x) (section 2 there). */
export function geluSigmoid(graph: GraphBuilder, x: Value): Value {
  return multiply(graph, x, sigmoid(graph, scale(graph, x, 1.702)));
}

/** max(x, 0) */
export function relu(graph: GraphBuilder, x: Value): Value {
  return graph.node('Relu', [x], x.shape);
}

/** max(x, 0)² (So et al. 2021, arXiv 2109.08668). */
export function squaredRelu(graph: GraphBuilder, x: Value): Value {
  const positive = relu(graph, x);
  return multiply(graph, positive, positive);
}

export function tanh(graph: GraphBuilder, x: Value): Value {
  return graph.node('Tanh', [x], x.shape);
}

/** The error function. */
export function erf(graph: GraphBuilder, x: Value): Value {
  return graph.node('Erf', [x], x.shape);
}
