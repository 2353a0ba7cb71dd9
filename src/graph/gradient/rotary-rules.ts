/**
 * The derivative of the rotary position embedding.
 * @module
 */
import { scale } from '../operators/arithmetic.js';
import { type GradientRules, inputOf } from './gradient-rule.js';

export const rotaryRules: GradientRules = {
  /** Turns back by the same angles. */
  RotaryEmbedding(graph, node, gradient) {
    const [cos, sin] = [inputOf(node, 1), inputOf(node, 2)];
    return [
      () =>
        graph.node(node.operator, [gradient, cos, scale(graph, sin, -1)], gradient.shape, node.attributes),
    ];
  },
};
