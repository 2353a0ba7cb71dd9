/**
 * Derivatives of choices.
 * @module
 */
import { scale } from '../operators/arithmetic.js';
import { TOP_MASK } from '../operators/routing.js';
import type { GradientRules } from './gradient-rule.js';

export const routingRules: GradientRules = {
  /** Zero almost everywhere. */
  [TOP_MASK](graph, _node, gradient) {
    return [() => scale(graph, gradient, 0)];
  },
};
