/**
 * The graphs between the last block and the cross-entropy.
 * @module
 */
import type { ModelDescription, Stage } from '../model/description.js';
import { HIDDEN_GRADIENT_OUTPUT, OUTPUT_GRADIENT_INPUT } from './block-gradient-graph.js';
import { HIDDEN_INPUT } from './block-scope.js';
import { throughTanh } from './gradient/activation-rules.js';
import { differentiate } from './gradient/differentiate.js';
import { type Graph, GraphBuilder } from './graph-builder.js';
import { tanh } from './operators/activation.js';
import { exponential, gemm, linear, multiply, scale, subtract } from './operators/arithmetic.js';
import { reduce } from './operators/reduce.js';
import { reshape } from './operators/shape.js';

/** Name of a stage's output. */
export const HIDDEN_OUTPUT = 'hidden_out';

/** A stage outside the blocks: [tokens, features that come in] → [tokens, features]. Weights are inputs by full name. */
export function stageGraph(stage: Stage, tokens: number, features: number): Graph {
  const { graph, output } = buildStage(stage, tokens, features);
  graph.output(HIDDEN_OUTPUT, output);
  return graph.build();
}

/** The gradient of the loss with respect to what a stage takes, from the gradient with respect to what it gives. */
export function stageGradientGraph(stage: Stage, tokens: number, features: number): Graph {
  const { graph, hidden, output } = buildStage(stage, tokens, features);
  const gradient = graph.input(OUTPUT_GRADIENT_INPUT, output.shape);
  const gradients = differentiate(graph, [{ value: output, gradient }], [hidden]);
  for (const result of gradients.values()) graph.output(HIDDEN_GRADIENT_OUTPUT, result);
  return graph.build();
}

function buildStage({ tensors, forward }: Stage, tokens: number, features: number) {
  const graph = new GraphBuilder('stage');
  const hidden = graph.input(HIDDEN_INPUT, [tokens, features]);
  const weights = new Map(tensors.map(({ name, shape }) => [name, graph.input(name, shape)]));
  const weight = (name: string) => {
    const value = weights.get(name);
    if (!value) throw new Error(`the model describes no tensor ${name}`);
    return value;
  };
  return { graph, hidden, output: forward({ graph, weight }, hidden) };
}

export const HEAD_INPUT = 'head';
/** [vocabulary slice], where the head has a bias. */
export const HEAD_BIAS_INPUT = 'head_bias';
/** Column [tokens, 1] of each token's target within the slice of the vocabulary; any valid column where it lies outside. */
export const TARGET_INPUT = 'target';
export const MAXIMUM_OUTPUT = 'maximum';
export const SUM_OUTPUT = 'sum';
export const TARGET_OUTPUT = 'target_logit';

/**
 * Logits against a slice of the vocabulary, reduced at once so that tokens × vocabulary never exists:
 * per token the largest logit, Σ exp(logit − largest) and the target's logit.
 */
export function logitsGraph(model: Head, tokens: number, vocabularySlice: number): Graph {
  const graph = new GraphBuilder('logits');
  const { logits } = buildLogits(graph, model, tokens, vocabularySlice);
  const target = graph.input(TARGET_INPUT, [tokens, 1], 'int64');
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

/** What logits are computed with. */
export type Head = Pick<ModelDescription, 'closing' | 'headBias' | 'logitSoftcap'>;

/** @returns logits [tokens, vocabulary slice], and of that shape tanh(logit/softcap) where there is a softcap */
function buildLogits(
  graph: GraphBuilder,
  { closing, headBias, logitSoftcap }: Head,
  tokens: number,
  vocabularySlice: number,
) {
  const hidden = graph.input(HIDDEN_INPUT, [tokens, closing.features]);
  const head = graph.input(HEAD_INPUT, [vocabularySlice, closing.features]);
  const bias = headBias ? graph.input(HEAD_BIAS_INPUT, [vocabularySlice]) : undefined;
  const plain = linear(graph, hidden, head, bias);
  if (logitSoftcap === undefined) return { head, logits: plain, capped: undefined };
  const capped = tanh(graph, scale(graph, plain, 1 / logitSoftcap));
  return { head, logits: scale(graph, capped, logitSoftcap), capped };
}

/** log Σ exp(logit) of each token over the whole vocabulary, [tokens, 1]. */
export const LOG_SUM_EXP_INPUT = 'log_sum_exp';
/** Weight of each token's cross-entropy in the loss, [tokens, 1]; 0 for a token that predicts nothing. */
export const TOKEN_WEIGHT_INPUT = 'token_weight';

/**
 * Adds a slice's part of Σ weight · cross-entropy to the gradient with respect to the hidden states that the head reads
 * [tokens, hidden]: (softmax(logits) − one-hot target) · weight · head. `OUTPUT_GRADIENT_INPUT` takes the sum over the slices
 * before, `HIDDEN_GRADIENT_OUTPUT` gives it with this one, and may be the same memory.
 *
 * `TARGET_INPUT` is as in `logitsGraph`, but the size of the slice where the target lies outside.
 */
export function logitsGradientGraph(model: Head, tokens: number, vocabularySlice: number): Graph {
  const graph = new GraphBuilder('logits gradient');
  const { head, logits, capped } = buildLogits(graph, model, tokens, vocabularySlice);
  const target = graph.input(TARGET_INPUT, [tokens, 1], 'int64');
  const logSumExp = graph.input(LOG_SUM_EXP_INPUT, [tokens, 1]);
  const weight = graph.input(TOKEN_WEIGHT_INPUT, [tokens, 1]);
  const before = graph.input(OUTPUT_GRADIENT_INPUT, [tokens, model.closing.features]);
  const probabilities = exponential(graph, subtract(graph, logits, logSumExp));
  const depth = graph.int64s('depth', [vocabularySlice]);
  const offAndOn = graph.constant('off_and_on', [2], Float32Array.of(0, 1));
  const flat = reshape(graph, target, [tokens]);
  const oneHot = graph.node('OneHot', [flat, depth, offAndOn], [tokens, vocabularySlice]);
  const ofLogits = multiply(graph, subtract(graph, probabilities, oneHot), weight);
  const gradient = capped ? throughTanh(graph, capped, ofLogits) : ofLogits;
  graph.output(HIDDEN_GRADIENT_OUTPUT, gemm(graph, gradient, head, { c: before }));
  return graph.build();
}
