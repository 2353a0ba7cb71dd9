/**
 * Rotary position embedding.
 * @module
 */
import { createHash } from 'node:crypto';
import type { GraphBuilder } from '../graph-builder.js';
import type { Value } from '../value.js';
import { dimension, reshape } from './shape.js';

/** How the positions of a window are turned. */
export interface RotaryAngles {
  /** Radians per position, one for each pair of dimensions. */
  readonly frequencies: Float64Array;
  /** Factor of what is turned. */
  readonly scale: number;
}

export interface RotaryEmbedding {
  /** Pairs that are turned: the first dimensions of a head. Others stay as they are. */
  readonly pairs: number;
  /** Whether pair i are the dimensions 2i and 2i + 1 instead of i and i + pairs. */
  readonly interleaved: boolean;
  /** @param tokens of the window */
  angles(tokens: number): RotaryAngles;
}

/** Hexadecimal digits that tell a graph's few tables apart. */
const DIGEST_LENGTH = 16;

/**
 * Turns the pairs of every head by position · frequency (Su et al. 2021, arXiv 2104.09864).
 *
 * @param x [tokens, heads · head_dim], position 0 first
 */
export function rotary(graph: GraphBuilder, x: Value, heads: number, embedding: RotaryEmbedding): Value {
  const tokens = dimension(x, 0);
  const { pairs, interleaved } = embedding;
  const { frequencies, scale } = embedding.angles(tokens);
  const table = (f: (angle: number) => number) => () => {
    const data = new Float32Array(tokens * pairs);
    for (let position = 0; position < tokens; position++) {
      for (let pair = 0; pair < pairs; pair++) {
        // The angle is rounded to f32 first, as the models were trained and are served with.
        const angle = Math.fround(position * Math.fround(frequencies[pair] ?? 0));
        data[position * pairs + pair] = scale * f(angle);
      }
    }
    return data;
  };
  const digest = createHash('sha256').update(frequencies).update(Float64Array.of(scale)).digest('hex');
  const own = digest.slice(0, DIGEST_LENGTH);
  const cos = graph.table(`rotary_cos_${own}`, [1, tokens, pairs], table(Math.cos));
  const sin = graph.table(`rotary_sin_${own}`, [1, tokens, pairs], table(Math.sin));
  const batched = reshape(graph, x, [1, ...x.shape]);
  const isPartial = 2 * pairs < dimension(x, 1) / heads;
  const rotated = graph.node('RotaryEmbedding', [batched, cos, sin], batched.shape, {
    num_heads: { kind: 'int', value: heads },
    ...(interleaved ? { interleaved: { kind: 'int', value: 1 } } : {}),
    ...(isPartial ? { rotary_embedding_dim: { kind: 'int', value: 2 * pairs } } : {}),
  });
  return reshape(graph, rotated, x.shape);
}
