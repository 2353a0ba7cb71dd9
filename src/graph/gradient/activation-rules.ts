/**
 * Derivatives of activation functions.
 * @module
 */
import type { GraphBuilder } from '../graph-builder.js';
import { erf, tanh } from '../operators/activation.js';
import { add, exponential, multiply, scale, sign, subtract } from '../operators/arithmetic.js';
import type { Value } from '../value.js';
import { type GradientRules, inputOf, outputOf } from './gradient-rule.js';

export const activationRules: GradientRules = {
  /** y·(1 − y) */
  Sigmoid(graph, node, gradient) {
    const y = outputOf(node);
    return [() => multiply(graph, gradient, subtract(graph, y, multiply(graph, y, y)))];
  },

  Tanh(graph, node, gradient) {
    return [() => throughTanh(graph, outputOf(node), gradient)];
  },

  Relu(graph, node, gradient) {
    return [() => multiply(graph, gradient, sign(graph, outputOf(node)))];
  },

  /** Φ(x) + x·φ(x), or the derivative of the approximation by tanh (Hendrycks & Gimpel 2016, arXiv 1606.08415). */
  Gelu(graph, node, gradient) {
    const slope = node.attributes.approximate?.value === 'tanh' ? geluTanhSlope : geluSlope;
    return [() => multiply(graph, gradient, slope(graph, inputOf(node, 0)))];
  },
};

/** gradient·(1 − y²) with y = tanh(x) */
export function throughTanh(graph: GraphBuilder, y: Value, gradient: Value): Value {
  return subtract(graph, gradient, multiply(graph, gradient, multiply(graph, y, y)));
}

function geluSlope(graph: GraphBuilder, x: Value): Value {
  const half = graph.constant('half', [], Float32Array.of(0.5));
  const cumulative = add(graph, scale(graph, erf(graph, scale(graph, x, Math.SQRT1_2)), 0.5), half);
  const density = exponential(graph, scale(graph, multiply(graph, x, x), -0.5));
  return add(graph, cumulative, scale(graph, multiply(graph, x, density), 1 / Math.sqrt(2 * Math.PI)));
}

/** With t = tanh(u), u = √(2/π)·(x + 0.044715·x³): ½(1 + t) + ½·x·(1 − t²)·u′ */
function geluTanhSlope(graph: GraphBuilder, x: Value): Value {
  const factor = Math.sqrt(2 / Math.PI);
  const square = multiply(graph, x, x);
  const constant = (value: number) => graph.constant('constant', [], Float32Array.of(value));
  const inner = multiply(graph, x, add(graph, scale(graph, square, 0.044715 * factor), constant(factor)));
  const t = tanh(graph, inner);
  const slope = add(graph, scale(graph, square, 3 * 0.044715 * factor), constant(factor));
  const bend = throughTanh(graph, t, multiply(graph, x, slope));
  return scale(graph, add(graph, add(graph, t, bend), constant(1)), 0.5);
}
