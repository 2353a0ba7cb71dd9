/**
 * How routers weigh experts.
 * @module
 */
import { divide, multiply, scale } from '../../graph/operators/arithmetic.js';
import { softmax } from '../../graph/operators/normalization.js';
import { reduce } from '../../graph/operators/reduce.js';
import { topMask } from '../../graph/operators/routing.js';
import type { Routing } from './experts.js';

/**
 * The softmax over all experts, of which the `perToken` largest stay (Fedus et al. 2021, arXiv 2101.03961; Jiang et al. 2024,
 * arXiv 2401.04088).
 *
 * @param normalised whether those that stay are divided by their sum
 */
export function softmaxRouting(perToken: number, normalised: boolean, factor = 1): Routing {
  return ({ graph }, logits) => {
    const probabilities = softmax(graph, logits);
    const kept = multiply(graph, probabilities, topMask(graph, probabilities, perToken));
    const weights = normalised ? divide(graph, kept, reduce(graph, 'ReduceSum', kept, 1, true)) : kept;
    return factor === 1 ? weights : scale(graph, weights, factor);
  };
}
