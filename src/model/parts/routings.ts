/**
 * How routers weigh experts.
 * @module
 */

import type { GraphBuilder } from '../../graph/graph-builder.js';
import { sigmoid } from '../../graph/operators/activation.js';
import { add, divide, multiply, scale } from '../../graph/operators/arithmetic.js';
import { softmax } from '../../graph/operators/normalization.js';
import { reduce } from '../../graph/operators/reduce.js';
import { topMask } from '../../graph/operators/routing.js';
import { dimension, expand, reshape } from '../../graph/operators/shape.js';
import type { Value } from '../../graph/value.js';
import { ConfigError } from '../config-error.js';
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

/** The softmax over the `perToken` largest logits (OpenAI 2025, arXiv 2508.10925). */
export function topSoftmaxRouting(perToken: number): Routing {
  return ({ graph }, logits) => softmax(graph, without(graph, logits, topMask(graph, logits, perToken)));
}

/** Experts of which a token goes to those of a few groups only; consecutive experts are a group. */
export interface ExpertGroups {
  readonly count: number;
  /** Groups of a token. */
  readonly perToken: number;
}

/** @throws ConfigError when the groups don't divide the experts, or have too few for a token */
export function expertGroups(
  groups: ExpertGroups,
  { count: experts, perToken }: { readonly count: number; readonly perToken: number },
): ExpertGroups {
  const { count, perToken: chosen } = groups;
  if (experts % count !== 0 || chosen > count || (chosen * experts) / count < perToken) {
    throw new ConfigError(
      `${perToken} experts of ${chosen} of ${count} groups (topk_group, n_group) of ${experts} experts`,
    );
  }
  return groups;
}

/**
 * The softmax over all experts, of which the `perToken` largest stay that lie in the groups with the largest single ones
 * (DeepSeek-AI 2024, arXiv 2405.04434, section 2.2.2).
 */
export function groupedSoftmaxRouting(perToken: number, groups: ExpertGroups, factor: number): Routing {
  return ({ graph }, logits) => {
    const probabilities = softmax(graph, logits);
    const allowed = multiply(graph, probabilities, groupMask(graph, probabilities, groups, 1));
    return scale(graph, multiply(graph, allowed, topMask(graph, allowed, perToken)), factor);
  };
}

export interface SigmoidRouting {
  readonly perToken: number;
  readonly groups: ExpertGroups;
  /** Whether the weights of a token are divided by their sum. */
  readonly normalised: boolean;
  readonly factor: number;
  /** Name of the tensor [experts] that is added to what experts are chosen by, but not to their weights. */
  readonly correction: string;
}

/** Added to a sum of weights, as the models were trained and are served with. */
const LEAST_SUM = 1e-20;

/** Sigmoids of the logits (DeepSeek-AI 2024, arXiv 2412.19437, section 2.1.2). A group counts by its two largest. */
export function sigmoidRouting(options: SigmoidRouting): Routing {
  const { perToken, groups, normalised, factor, correction } = options;
  return ({ graph, weight }, logits) => {
    const scores = sigmoid(graph, logits);
    const corrected = add(graph, scores, weight(correction));
    const allowed = without(graph, corrected, groupMask(graph, corrected, groups, 2));
    const kept = multiply(graph, scores, topMask(graph, allowed, perToken));
    if (!normalised) return scale(graph, kept, factor);
    const least = graph.constant('least', [], Float32Array.of(LEAST_SUM));
    const sum = add(graph, reduce(graph, 'ReduceSum', kept, 1, true), least);
    return scale(graph, divide(graph, kept, sum), factor);
  };
}

/** 1 for the experts of a token's groups, 0 for others. @param best of how many experts a group's score is the sum */
function groupMask(graph: GraphBuilder, scores: Value, groups: ExpertGroups, best: number): Value {
  const [tokens, experts] = [dimension(scores, 0), dimension(scores, 1)];
  const { count, perToken } = groups;
  const size = experts / count;
  const byGroup = reshape(graph, scores, [tokens * count, size]);
  const largest = multiply(graph, byGroup, topMask(graph, byGroup, Math.min(best, size)));
  const ofGroups = reshape(graph, reduce(graph, 'ReduceSum', largest, 1), [tokens, count]);
  const chosen = reshape(graph, topMask(graph, ofGroups, perToken), [tokens, count, 1]);
  return reshape(graph, expand(graph, chosen, [tokens, count, size]), scores.shape);
}

/** Far below every score; f32 still tells it from infinity after a sum. */
const BELOW_ALL = 1e9;

/** Scores where a mask is 1, and far below them where it is 0. */
function without(graph: GraphBuilder, scores: Value, mask: Value): Value {
  const offset = graph.constant('offset', [], Float32Array.of(-BELOW_ALL));
  return add(graph, scores, add(graph, scale(graph, mask, BELOW_ALL), offset));
}
