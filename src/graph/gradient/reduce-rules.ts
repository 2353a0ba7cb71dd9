/**
 * Derivatives of reductions over one axis.
 * @module
 */
import type { GraphBuilder, GraphNode } from '../graph-builder.js';
import { add, multiply, power, scale, subtract } from '../operators/arithmetic.js';
import { reduce } from '../operators/reduce.js';
import { expand, reshape } from '../operators/shape.js';
import type { Value } from '../value.js';
import { constantNumbers, type GradientRules, inputOf, outputOf } from './gradient-rule.js';

export const reduceRules: GradientRules = {
  ReduceSum(graph, node, gradient) {
    return [() => expand(graph, keepAxis(graph, node, gradient), inputOf(node, 0).shape)];
  },

  ReduceSumSquare(graph, node, gradient) {
    return [() => multiply(graph, inputOf(node, 0), scale(graph, keepAxis(graph, node, gradient), 2))];
  },

  /** Goes to the largest element; to equal ones in equal shares. */
  ReduceMax(graph, node, gradient) {
    const x = inputOf(node, 0);
    return [
      () => {
        const below = subtract(graph, x, keepAxis(graph, node, outputOf(node)));
        const one = graph.constant('one', [], Float32Array.of(1));
        const largest = add(graph, graph.node('Sign', [below], x.shape), one);
        const count = reduce(graph, 'ReduceSum', largest, axisOf(graph, node), true);
        return multiply(
          graph,
          largest,
          multiply(graph, keepAxis(graph, node, gradient), power(graph, count, -1)),
        );
      },
    ];
  },
};

function axisOf(graph: GraphBuilder, node: GraphNode): number {
  const axes = constantNumbers(graph, node, 1);
  const [axis] = axes;
  if (axis === undefined || axes.length > 1)
    throw new Error(`${node.operator}: [${axes.join(', ')}] is not one axis`);
  return axis;
}

/** A value of the shape of a reduction's result, with the axis that disappeared. */
function keepAxis(graph: GraphBuilder, node: GraphNode, value: Value): Value {
  const shape = inputOf(node, 0).shape.with(axisOf(graph, node), 1);
  return value.shape.length === shape.length ? value : reshape(graph, value, shape);
}
