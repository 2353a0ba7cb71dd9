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
const QUERY_CHUNK = 64;

export interface AttentionShape {
  readonly heads: number;
  /** Key/value heads; each serves heads / keyValueHeads consecutive query heads. */
  readonly keyValueHeads: number;
  readonly headDim: number;
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
  const { heads, keyValueHeads, headDim } = shape;
  const tokens = dimension(q, 0);
  const group = heads / keyValueHeads;
  const chunk = Math.min(QUERY_CHUNK, tokens);
  const split = (x: Value, parts: readonly number[]) => reshape(graph, x, [tokens, ...parts, headDim]);

  const scaled = scale(graph, q, 1 / Math.sqrt(headDim));
  const queries = transpose(graph, split(scaled, [keyValueHeads, group]), [1, 2, 0, 3]);
  const keys = transpose(graph, split(k, [keyValueHeads]), [1, 2, 0]);
  const values = transpose(graph, split(v, [keyValueHeads]), [1, 0, 2]);

  const chunks: Value[] = [];
  for (let start = 0; start < tokens; start += chunk) {
    const end = Math.min(start + chunk, tokens);
    const size = end - start;
    const rows = [keyValueHeads, group * size];
    const query = reshape(graph, slice(graph, queries, 2, start, end), [...rows, headDim]);
    const scores = matmul(graph, query, slice(graph, keys, 2, 0, end));
    const masked = add(
      graph,
      reshape(graph, scores, [keyValueHeads, group, size, end]),
      causalMask(graph, tokens, chunk, size, end),
    );
    const weights = reshape(graph, softmax(graph, masked), [...rows, end]);
    const mixed = matmul(graph, weights, slice(graph, values, 1, 0, end));
    chunks.push(reshape(graph, mixed, [keyValueHeads, group, size, headDim]));
  }
  const joined = concat(graph, chunks, 2);
  return reshape(graph, transpose(graph, joined, [2, 0, 1, 3]), [tokens, heads * headDim]);
}

/**
 * The mask [size, end] of the queries end−size … end−1 against the keys 0 … end−1, cut out of one table
 * whose last row sees every key.
 */
function causalMask(graph: GraphBuilder, tokens: number, chunk: number, size: number, end: number): Value {
  const table = graph.table('causal_mask', [chunk, tokens], () => {
    const data = new Float32Array(chunk * tokens);
    for (let row = 0; row < chunk; row++) {
      data.fill(Number.NEGATIVE_INFINITY, row * tokens + tokens - chunk + row + 1, (row + 1) * tokens);
    }
    return data;
  });
  return slice(graph, slice(graph, table, 0, chunk - size, chunk), 1, tokens - end, tokens);
}
