/**
 * The graphs between the last block and the cross-entropy.
 * @module
 */
import type { ModelDescription } from '../model/description.js';
import { HIDDEN_INPUT } from './block-scope.js';
import { type Graph, GraphBuilder } from './graph-builder.js';
import { exponential, linear, subtract } from './operators/arithmetic.js';
import { reduce } from './operators/reduce.js';
import { reshape } from './operators/shape.js';

/** Name of the final normalisation's output. */
export const HIDDEN_OUTPUT = 'hidden_out';

/** Final normalisation: hidden [tokens, hidden] → [tokens, hidden]. Weights are inputs by full name. */
export function finalNormGraph(model: ModelDescription, tokens: number): Graph {
  const graph = new GraphBuilder('final norm');
  const hidden = graph.input(HIDDEN_INPUT, [tokens, model.hiddenSize]);
  const weights = new Map(model.finalTensors.map(({ name, shape }) => [name, graph.input(name, shape)]));
  const weight = (name: string) => {
    const value = weights.get(name);
    if (!value) throw new Error(`the model describes no tensor ${name}`);
    return value;
  };
  graph.output(HIDDEN_OUTPUT, model.finalNorm(graph, weight, hidden));
  return graph.build();
}

export const HEAD_INPUT = 'head';
/** Column of each token's target within the slice of the vocabulary; any valid column where it lies outside. */
export const TARGET_INPUT = 'target';
export const MAXIMUM_OUTPUT = 'maximum';
export const SUM_OUTPUT = 'sum';
export const TARGET_OUTPUT = 'target_logit';

/**
 * Logits against a slice of the vocabulary, reduced at once so that tokens × vocabulary never exists:
 * per token the largest logit, Σ exp(logit − largest) and the target's logit.
 */
export function logitsGraph(tokens: number, hiddenSize: number, vocabularySlice: number): Graph {
  const graph = new GraphBuilder('logits');
  const hidden = graph.input(HIDDEN_INPUT, [tokens, hiddenSize]);
  const head = graph.input(HEAD_INPUT, [vocabularySlice, hiddenSize]);
  const target = graph.input(TARGET_INPUT, [tokens, 1], 'int64');
  const logits = linear(graph, hidden, head);
  const maximum = reduce(graph, 'ReduceMax', logits, 1, true);
  const shifted = exponential(graph, subtract(graph, logits, maximum));
  graph.output(MAXIMUM_OUTPUT, reshape(graph, maximum, [tokens]));
  graph.output(SUM_OUTPUT, reduce(graph, 'ReduceSum', shifted, 1));
  const picked = graph.node('GatherElements', [logits, target], [tokens, 1], {
    axis: { kind: 'int', value: 1 },
  });
  graph.output(TARGET_OUTPUT, reshape(graph, picked, [tokens]));
  return graph.build();
}
