/**
 * Rotary position embedding.
 * @module
 */
import type { GraphBuilder } from '../graph-builder.js';
import type { Value } from '../value.js';
import { dimension, reshape } from './shape.js';

/** Frequencies of a rotary embedding. */
export interface RotaryFrequencies {
  /** Radians per position, one for each pair of a head's dimensions. */
  readonly inverse: Float64Array;
}

/**
 * Rotates the pairs (i, i + head_dim/2) of every head by position · frequency_i (Su et al. 2021,
 * arXiv 2104.09864, in the half-split layout of Hugging Face checkpoints).
 *
 * @param x [tokens, heads · head_dim], position 0 first
 */
export function rotary(graph: GraphBuilder, x: Value, heads: number, frequencies: RotaryFrequencies): Value {
  const tokens = dimension(x, 0);
  const pairs = frequencies.inverse.length;
  const table = (f: (angle: number) => number) => () => {
    const data = new Float32Array(tokens * pairs);
    for (let position = 0; position < tokens; position++) {
      for (let pair = 0; pair < pairs; pair++) {
        // The angle is rounded to f32 first, as the models were trained and are served with.
        const angle = Math.fround(position * Math.fround(frequencies.inverse[pair] ?? 0));
        data[position * pairs + pair] = f(angle);
      }
    }
    return data;
  };
  const cos = graph.table('rotary_cos', [1, tokens, pairs], table(Math.cos));
  const sin = graph.table('rotary_sin', [1, tokens, pairs], table(Math.sin));
  const batched = reshape(graph, x, [1, ...x.shape]);
  const rotated = graph.node('RotaryEmbedding', [batched, cos, sin], batched.shape, {
    num_heads: { kind: 'int', value: heads },
  });
  return reshape(graph, rotated, x.shape);
}
