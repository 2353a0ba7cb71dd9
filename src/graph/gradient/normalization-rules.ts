/**
 * Derivatives of normalisations over the last axis.
 * @module
 */
import type { GraphBuilder, GraphNode } from '../graph-builder.js';
import { add, multiply, power, scale, subtract } from '../operators/arithmetic.js';
import { reduce } from '../operators/reduce.js';
import { dimension } from '../operators/shape.js';
import type { Value } from '../value.js';
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
    const [x, weight] = [inputOf(node, 0), inputOf(node, 1)];
    const { mean, normalised, through } = normalise(graph, node, x);
    return [
      () => {
        const weighted = multiply(graph, gradient, weight);
        return through(weighted, multiply(graph, normalised, mean(multiply(graph, weighted, normalised))));
      },
      () => sumToShape(graph, multiply(graph, gradient, normalised), weight.shape),
    ];
  },

  /** The same for x − mean(x): r·(h − mean(h) − x̂·mean(h·x̂)) for x, and Σ g for the bias. */
  LayerNormalization(graph, node, gradient) {
    const [x, weight, bias] = [inputOf(node, 0), inputOf(node, 1), node.inputs[2]];
    const axis = lastAxis(node);
    const centre = scale(graph, reduce(graph, 'ReduceSum', x, axis, true), 1 / dimension(x, axis));
    const { mean, normalised, through } = normalise(graph, node, subtract(graph, x, centre));
    const rules = [
      () => {
        const weighted = multiply(graph, gradient, weight);
        const along = multiply(graph, normalised, mean(multiply(graph, weighted, normalised)));
        return through(weighted, add(graph, along, mean(weighted)));
      },
      () => sumToShape(graph, multiply(graph, gradient, normalised), weight.shape),
    ];
    return bias ? [...rules, () => sumToShape(graph, gradient, bias.shape)] : rules;
  },
};

/** x̂ = r·x with r = 1/√(mean(x²) + ε), and what a gradient needs of it. */
function normalise(graph: GraphBuilder, node: GraphNode, x: Value) {
  const axis = lastAxis(node);
  const share = 1 / dimension(x, axis);
  const epsilon = graph.constant('epsilon', [], Float32Array.of(numberAttribute(node, 'epsilon', 1e-5)));
  const meanSquare = scale(graph, reduce(graph, 'ReduceSumSquare', x, axis, true), share);
  const inverseRoot = power(graph, add(graph, meanSquare, epsilon), -0.5);
  return {
    normalised: multiply(graph, x, inverseRoot),
    mean: (values: Value) => scale(graph, reduce(graph, 'ReduceSum', values, axis, true), share),
    /** r·(weighted − along) */
    through: (weighted: Value, along: Value) =>
      multiply(graph, subtract(graph, weighted, along), inverseRoot),
  };
}

function lastAxis(node: GraphNode): number {
  const last = inputOf(node, 0).shape.length - 1;
  const axis = numberAttribute(node, 'axis', -1);
  if (axis !== -1 && axis !== last) throw new Error(`${node.operator}: no gradient over axis ${axis}`);
  return last;
}
