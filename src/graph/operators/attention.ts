/**
 * Causal attention with grouped queries, in query chunks.
 * @module
 */
import type { GraphBuilder } from '../graph-builder.js';
import type { Value } from '../value.js';
import { add, matmul, scale } from './arithmetic.js';
import { softmax } from './normalization.js';
import { concat, dimension, reshape, slice, transpose } from './shape.js';

/**
 * Queries a chunk. Each chunk meets only the keys up to its own end, so the work is close to the causal
 * half and the scores in memory are heads × 64 × tokens, never heads × tokens².
 */
export const QUERY_CHUNK = 64;

/** Name of attention's gradient rule. */
export const CAUSAL_ATTENTION = 'CausalAttention';

export interface AttentionShape {
  readonly heads: number;
  /** Key/value heads; each serves heads / keyValueHeads consecutive query heads. */
  readonly keyValueHeads: number;
  readonly headDim: number;
}

/** Consecutive queries that are computed together. */
export interface QueryChunk {
  readonly start: number;
  readonly end: number;
}

/**
 * The chunks of a window, in order.
 *
 * @param first queries of the first one; the others but the last are of full size
 */
export function queryChunks(tokens: number, first = QUERY_CHUNK): QueryChunk[] {
  const chunks: QueryChunk[] = [];
  for (let start = 0; start < tokens; ) {
    const end = Math.min(start + (start === 0 ? first : QUERY_CHUNK), tokens);
    chunks.push({ start, end });
    start = end;
  }
  return chunks;
}

/**
 * softmax(q·kᵀ/√head_dim + causal mask)·v (Vaswani et al. 2017; grouped as in Ainslie et al. 2023).
 *
 * @param q [tokens, heads · headDim]
 * @param k [tokens, keyValueHeads · headDim]
 * @param v like k
 * @returns [tokens, heads · headDim]
 */
export function causalAttention(
  graph: GraphBuilder,
  q: Value,
  k: Value,
  v: Value,
  shape: AttentionShape,
): Value {
  const tokens = dimension(q, 0);
  const attributes = {
    heads: { kind: 'int', value: shape.heads },
    keyValueHeads: { kind: 'int', value: shape.keyValueHeads },
    headDim: { kind: 'int', value: shape.headDim },
  } as const;
  return graph.composite(CAUSAL_ATTENTION, [q, k, v], attributes, () => {
    const queries = byQueryHead(graph, scale(graph, q, 1 / Math.sqrt(shape.headDim)), shape);
    const keys = byKeyValueHead(graph, k, shape, [1, 2, 0]);
    const values = byKeyValueHead(graph, v, shape, [1, 0, 2]);
    const chunks = queryChunks(tokens).map((chunk) => {
      const weights = attentionWeights(
        graph,
        ofChunk(graph, queries, chunk),
        slice(graph, keys, 2, 0, chunk.end),
        causalMask(graph, tokens, chunk),
      );
      return matmul(graph, weights, slice(graph, values, 1, 0, chunk.end));
    });
    return fromQueryHeads(graph, chunks, shape);
  });
}

/** [tokens, heads · headDim] as [keyValueHeads, heads / keyValueHeads, tokens, headDim]. */
export function byQueryHead(graph: GraphBuilder, x: Value, shape: AttentionShape): Value {
  const { heads, keyValueHeads, headDim } = shape;
  const split = reshape(graph, x, [dimension(x, 0), keyValueHeads, heads / keyValueHeads, headDim]);
  return transpose(graph, split, [1, 2, 0, 3]);
}

/** [tokens, keyValueHeads · headDim] as [tokens, keyValueHeads, headDim] with its axes in another order. */
export function byKeyValueHead(
  graph: GraphBuilder,
  x: Value,
  { keyValueHeads, headDim }: AttentionShape,
  permutation: readonly number[],
): Value {
  return transpose(graph, reshape(graph, x, [dimension(x, 0), keyValueHeads, headDim]), permutation);
}

/** Of [keyValueHeads, group, tokens, n] a chunk's [keyValueHeads, group · queries, n]. */
export function ofChunk(graph: GraphBuilder, x: Value, { start, end }: QueryChunk): Value {
  const [keyValueHeads = 0, group = 0, , features = 0] = x.shape;
  return reshape(graph, slice(graph, x, 2, start, end), [keyValueHeads, group * (end - start), features]);
}

/** What chunks have for their queries, [keyValueHeads, group · queries, headDim] each, as [tokens, heads · headDim]. */
export function fromQueryHeads(
  graph: GraphBuilder,
  chunks: readonly Value[],
  { heads, keyValueHeads, headDim }: AttentionShape,
): Value {
  const group = heads / keyValueHeads;
  const split = chunks.map((x) =>
    reshape(graph, x, [keyValueHeads, group, dimension(x, 1) / group, headDim]),
  );
  const joined = concat(graph, split, 2);
  return reshape(graph, transpose(graph, joined, [2, 0, 1, 3]), [dimension(joined, 2), heads * headDim]);
}

/**
 * softmax(query·keys + mask)
 *
 * @param query [keyValueHeads, group · queries, headDim]
 * @param keys [keyValueHeads, headDim, keys]
 * @param mask [queries, keys]
 * @returns [keyValueHeads, group · queries, keys]
 */
export function attentionWeights(graph: GraphBuilder, query: Value, keys: Value, mask: Value): Value {
  const scores = matmul(graph, query, keys);
  const [keyValueHeads = 0, rows = 0, count = 0] = scores.shape;
  const queries = dimension(mask, 0);
  const split = reshape(graph, scores, [keyValueHeads, rows / queries, queries, count]);
  return reshape(graph, softmax(graph, add(graph, split, mask)), scores.shape);
}

/**
 * The mask [queries, end] of a chunk's queries against the keys 0 … end−1, cut out of one table whose last row sees every
 * key.
 */
export function causalMask(graph: GraphBuilder, tokens: number, { start, end }: QueryChunk): Value {
  const rows = Math.min(QUERY_CHUNK, tokens);
  const table = graph.table('causal_mask', [rows, tokens], () => {
    const data = new Float32Array(rows * tokens);
    for (let row = 0; row < rows; row++) {
      data.fill(Number.NEGATIVE_INFINITY, row * tokens + tokens - rows + row + 1, (row + 1) * tokens);
    }
    return data;
  });
  return slice(graph, slice(graph, table, 0, rows - (end - start), rows), 1, tokens - end, tokens);
}
