/**
 * A language model around its blocks: embedding, last normalisation, head.
 * @module
 */
import { linear, scale } from '../../graph/operators/arithmetic.js';
import type { BlockDescription, ModelDescription, Stage } from '../description.js';
import type { TensorNames } from '../family.js';
import type { NormPart } from './norms.js';

export interface CausalModel {
  /** `model_type` of the config. */
  readonly family: string;
  readonly hiddenSize: number;
  readonly vocabularySize: number;
  readonly maxSequenceLength: number;
  readonly blocks: readonly BlockDescription[];
  /** Full name of the embedding's weight. */
  readonly embedding: string;
  /** Features of the embeddings and of what the head reads; the hidden size when left out. */
  readonly embeddingSize?: number | undefined;
  /** Factor of the embeddings. */
  readonly embeddingScale?: number | undefined;
  /** In the place of the scaled embeddings. */
  readonly opening?: Stage | undefined;
  /** The last normalisation, by its full name. */
  readonly norm?: NormPart | undefined;
  /** Full name of the weight [embedding size, hidden size] between the last normalisation and the head. */
  readonly projection?: string | undefined;
  /** Full name of the head's weight; the embedding when left out. */
  readonly head?: string | undefined;
  readonly hasHeadBias?: boolean | undefined;
  /** Factor of the logits. */
  readonly logitScale?: number | undefined;
  readonly logitSoftcap?: number | undefined;
}

export function causalModel(options: CausalModel): ModelDescription {
  const { hiddenSize, vocabularySize, norm, head, logitScale = 1, embeddingScale = 1 } = options;
  const { embeddingSize = hiddenSize } = options;
  const embedding = { name: options.embedding, shape: [vocabularySize, embeddingSize] };
  const projection = options.projection && {
    name: options.projection,
    shape: [embeddingSize, hiddenSize],
  };
  const scaled: Stage = {
    tensors: [],
    features: hiddenSize,
    forward: ({ graph }, x) => scale(graph, x, embeddingScale),
  };
  return {
    family: options.family,
    hiddenSize,
    vocabularySize,
    maxSequenceLength: options.maxSequenceLength,
    blocks: options.blocks,
    embedding,
    opening: options.opening ?? (embeddingScale === 1 ? undefined : scaled),
    closing: {
      tensors: [...(norm?.tensors ?? []), ...(projection ? [projection] : [])],
      features: embeddingSize,
      forward(scope, x) {
        const { graph, weight } = scope;
        const normed = norm ? norm.apply(scope, x) : x;
        const projected = projection ? linear(graph, normed, weight(projection.name)) : normed;
        return logitScale === 1 ? projected : scale(graph, projected, logitScale);
      },
    },
    head: head === undefined ? embedding : { name: head, shape: [vocabularySize, embeddingSize] },
    headBias: options.hasHeadBias
      ? { name: (head ?? 'lm_head.weight').replace(/weight$/, 'bias'), shape: [vocabularySize] }
      : undefined,
    logitSoftcap: options.logitSoftcap,
  };
}

/**
 * What stands before the names of a model's tensors: the same model is stored by itself, below a head, or in a model of
 * images and text.
 *
 * @param tensor the rest of the name of one that it must have
 * @returns the first of the candidates with which the checkpoint has it; without any, the first
 */
export function namePrefix(
  names: TensorNames,
  tensor: string,
  candidates: readonly [string, ...string[]],
): string {
  return candidates.find((prefix) => names.has(prefix + tensor)) ?? candidates[0];
}

/**
 * Full name of the head's weight; undefined where the embedding is the head. A head that is stored is used, as `transformers`
 * does it, also where the config says that it is the embedding.
 */
export function separateHead(
  names: TensorNames,
  isTied: boolean,
  name = 'lm_head.weight',
): string | undefined {
  return isTied && !names.has(name) ? undefined : name;
}
