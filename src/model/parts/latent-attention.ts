/**
 * Self-attention whose queries, keys and values are projected through narrow latents (multi-head latent attention, DeepSeek-AI
 * 2024, arXiv 2405.04434, section 2.1).
 * @module
 */
import { causalAttention } from '../../graph/operators/attention.js';
import { type RotaryEmbedding, rotary } from '../../graph/operators/rotary.js';
import { concat, dimension, expand, reshape, slice } from '../../graph/operators/shape.js';
import type { Value } from '../../graph/value.js';
import type { BlockScope } from '../description.js';
import type { NormPart } from './norms.js';
import { type LinearPart, linearDescriptions, linearTensors, type Part } from './part.js';

/** A projection by itself, or through a latent that is normalised. */
export type Projection =
  | { readonly whole: LinearPart }
  | { readonly down: LinearPart; readonly norm: NormPart; readonly up: LinearPart };

export interface LatentAttentionOptions {
  /** To [heads · (plain + rotated)]. */
  readonly query: Projection;
  /** To the latent and, behind it, the rotated dimensions of the key, the same for all heads. */
  readonly keyValueDown: LinearPart;
  /** Of the latent. */
  readonly keyValueNorm: NormPart;
  /** From the latent to [heads · (plain + value)]. */
  readonly keyValueUp: LinearPart;
  readonly output: LinearPart;
  readonly heads: number;
  /** Dimensions of a head of q and k that know nothing of positions, of those that are rotated, and of a head of v. */
  readonly sizes: { readonly plain: number; readonly rotated: number; readonly value: number };
  /** Factor of q·kᵀ. */
  readonly scale: number;
  readonly rotary: RotaryEmbedding;
}

export function latentAttentionPart(options: LatentAttentionOptions): Part {
  const { query, keyValueDown, keyValueNorm, keyValueUp, output, heads, sizes, scale } = options;
  const queries = 'whole' in query ? [query.whole] : [query.down, query.up];
  const linears = [...queries, keyValueDown, keyValueUp, output];
  const norms = ['whole' in query ? [] : query.norm.tensors, keyValueNorm.tensors].flat();
  return {
    tensors: [...linearTensors(linears), ...norms],
    linears: linearDescriptions(linears),
    apply(scope, x) {
      const { graph } = scope;
      const { plain, rotated, value } = sizes;
      const tokens = dimension(x, 0);
      const byHead = (flat: Value) => reshape(graph, flat, [tokens, heads, dimension(flat, 1) / heads]);
      const flat = (split: Value) => reshape(graph, split, [tokens, heads * dimension(split, 2)]);
      const turn = (part: Value, count: number) => rotary(graph, part, count, options.rotary);

      const q = byHead(project(scope, query, x));
      const qTurned = byHead(turn(flat(slice(graph, q, 2, plain, plain + rotated)), heads));
      const narrow = scope.linear(keyValueDown.name, x);
      const size = keyValueUp.in;
      const latent = keyValueNorm.apply(scope, slice(graph, narrow, 1, 0, size));
      const kTurned = turn(slice(graph, narrow, 1, size, size + rotated), 1);
      const wide = byHead(scope.linear(keyValueUp.name, latent));
      const kOfHeads = expand(graph, reshape(graph, kTurned, [tokens, 1, rotated]), [tokens, heads, rotated]);
      const attended = causalAttention(
        graph,
        flat(concat(graph, [slice(graph, q, 2, 0, plain), qTurned], 2)),
        flat(concat(graph, [slice(graph, wide, 2, 0, plain), kOfHeads], 2)),
        flat(slice(graph, wide, 2, plain, plain + value)),
        { heads, keyValueHeads: heads, scale },
      );
      return scope.linear(output.name, attended);
    },
  };
}

function project(scope: BlockScope, projection: Projection, x: Value): Value {
  if ('whole' in projection) return scope.linear(projection.whole.name, x);
  const latent = projection.norm.apply(scope, scope.linear(projection.down.name, x));
  return scope.linear(projection.up.name, latent);
}
