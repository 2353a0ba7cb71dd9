/**
 * Learned absolute positions.
 * @module
 */
import { add, linear } from '../../graph/operators/arithmetic.js';
import { dimension, slice } from '../../graph/operators/shape.js';
import type { Stage } from '../description.js';

export interface LearnedPositions {
  /** Full name of the weight [positions, hidden size]. */
  readonly name: string;
  readonly positions: number;
  readonly hiddenSize: number;
  /** Row of the first position. */
  readonly offset?: number;
  /** Weight [hidden size, embedding size] that the embeddings go through first. */
  readonly projection?: { readonly name: string; readonly embeddingSize: number } | undefined;
}

/** Adds to each token's embedding the row of its position. */
export function learnedPositions(options: LearnedPositions): Stage {
  const { name, positions, hiddenSize, offset = 0, projection } = options;
  return {
    tensors: [
      { name, shape: [positions, hiddenSize] },
      ...(projection ? [{ name: projection.name, shape: [hiddenSize, projection.embeddingSize] }] : []),
    ],
    features: hiddenSize,
    forward({ graph, weight }, x) {
      const rows = slice(graph, weight(name), 0, offset, offset + dimension(x, 0));
      return add(graph, projection ? linear(graph, x, weight(projection.name)) : x, rows);
    },
  };
}
