/**
 * Derivatives of normalisations over the last axis.
 * @module
 */
import type { GraphNode } from '../graph-builder.js';
import { add, multiply, power, scale, subtract } from '../operators/arithmetic.js';
import { reduce } from '../operators/reduce.js';
import { dimension } from '../operators/shape.js';
import { type GradientRules, inputOf, numberAttribute, outputOf } from './gradient-rule.js';
import { sumToShape } from './sum-to-shape.js';

export const normalizationRules: GradientRules = {
  /** y·(g − Σ g·y) */
  Softmax(graph, node, gradient) {
    const axis = lastAxis(node);
    const y = outputOf(node);
    return [
      () => {
        const sum = reduce(graph, 'ReduceSum', multiply(graph, gradient, y), axis, true);
        return multiply(graph, subtract(graph, gradient, sum), y);
      },
    ];
  },

  /** With r = 1/√(mean(x²) + ε), x̂ = r·x and h = g·weight: r·(h − x̂·mean(h·x̂)) for x, Σ g·x̂ for the weight. */
  RMSNormalization(graph, node, gradient) {
    const axis = lastAxis(node);
    const [x, weight] = [inputOf(node, 0), inputOf(node, 1)];
    const share = 1 / dimension(x, axis);
    const epsilon = graph.constant('epsilon', [], Float32Array.of(numberAttribute(node, 'epsilon', 1e-5)));
    const meanSquare = scale(graph, reduce(graph, 'ReduceSumSquare', x, axis, true), share);
    const inverseRoot = power(graph, add(graph, meanSquare, epsilon), -0.5);
    const normalised = multiply(graph, x, inverseRoot);
    return [
      () => {
        const weighted = multiply(graph, gradient, weight);
        const sum = reduce(graph, 'ReduceSum', multiply(graph, weighted, normalised), axis, true);
        const along = multiply(graph, normalised, scale(graph, sum, share));
        return multiply(graph, subtract(graph, weighted, along), inverseRoot);
      },
      () => sumToShape(graph, multiply(graph, gradient, normalised), weight.shape),
    ];
  },
};

function lastAxis(node: GraphNode): number {
  const last = inputOf(node, 0).shape.length - 1;
  const axis = numberAttribute(node, 'axis', -1);
  if (axis !== -1 && axis !== last) throw new Error(`${node.operator}: no gradient over axis ${axis}`);
  return last;
}
