/**
 * Causal attention with grouped queries, in query chunks.
 * @module
 */
import type { Attribute, GraphBuilder, GraphNode } from '../graph-builder.js';
import type { Value } from '../value.js';
import { tanh } from './activation.js';
import { add, matmul, scale } from './arithmetic.js';
import { softmax } from './normalization.js';
import { concat, dimension, expand, reshape, slice, transpose } from './shape.js';

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
  /** Factor of q·kᵀ, as a rule 1/√head_dim. */
  readonly scale: number;
  /** c of c·tanh(score/c), which keeps scores within ±c (Gemma Team 2024, arXiv 2408.00118). */
  readonly softcap?: number | undefined;
  /** Keys that a query sees, its own included; all up to its own when left out (Beltagy et al. 2020, arXiv 2004.05150). */
  readonly window?: number | undefined;
}

/** What else the weights of attention are made of. */
export interface AttentionTerms {
  /** Table [heads, tokens] that is added to the scores of each key. */
  readonly keyBias?: Value | undefined;
  /** [heads], a score a head that takes its share of the weights and gives nothing (Agarwal et al. 2025, arXiv 2508.10925). */
  readonly sinks?: Value | undefined;
}

/** Consecutive queries that are computed together, and the keys that they see. */
export interface QueryChunk {
  readonly start: number;
  readonly end: number;
  /** The last key is that of the last query. */
  readonly firstKey: number;
}

/**
 * The chunks of a window, in order.
 *
 * @param first queries of the first one; the others but the last are of full size
 */
export function queryChunks(
  tokens: number,
  { window = tokens }: Pick<AttentionShape, 'window'>,
  first = QUERY_CHUNK,
): QueryChunk[] {
  const chunks: QueryChunk[] = [];
  for (let start = 0; start < tokens; ) {
    const end = Math.min(start + (start === 0 ? first : QUERY_CHUNK), tokens);
    chunks.push({ start, end, firstKey: Math.max(0, start + 1 - window) });
    start = end;
  }
  return chunks;
}

/**
 * softmax(scale·q·kᵀ + causal mask)·v (Vaswani et al. 2017; grouped as in Ainslie et al. 2023).
 *
 * @param q [tokens, heads · head_dim]
 * @param k [tokens, keyValueHeads · head_dim]
 * @param v [tokens, keyValueHeads · features]
 * @returns [tokens, heads · features]
 */
export function causalAttention(
  graph: GraphBuilder,
  q: Value,
  k: Value,
  v: Value,
  shape: AttentionShape,
  terms: AttentionTerms = {},
): Value {
  const tokens = dimension(q, 0);
  const { keyBias, sinks } = terms;
  const inputs = [q, k, v, ...(keyBias ? [keyBias] : []), ...(sinks ? [sinks] : [])];
  return graph.composite(CAUSAL_ATTENTION, inputs, attentionAttributes(shape, terms), () => {
    const queries = byQueryHead(graph, scale(graph, q, shape.scale), shape);
    const keys = byKeyValueHead(graph, k, shape, [1, 2, 0]);
    const values = byKeyValueHead(graph, v, shape, [1, 0, 2]);
    const chunks = queryChunks(tokens, shape).map((chunk) => {
      const { weights } = attentionWeights(
        graph,
        ofChunk(graph, queries, chunk),
        slice(graph, keys, 2, chunk.firstKey, chunk.end),
        scoreTerms(graph, tokens, chunk, shape, terms),
      );
      return matmul(graph, weights, slice(graph, values, 1, chunk.firstKey, chunk.end));
    });
    return fromQueryHeads(graph, chunks, shape);
  });
}

function attentionAttributes(
  { heads, keyValueHeads, scale: factor, softcap = 0, window = 0 }: AttentionShape,
  { keyBias, sinks }: AttentionTerms,
): Readonly<Record<string, Attribute>> {
  return {
    heads: { kind: 'int', value: heads },
    keyValueHeads: { kind: 'int', value: keyValueHeads },
    scale: { kind: 'float', value: factor },
    softcap: { kind: 'float', value: softcap },
    window: { kind: 'int', value: window },
    keyBias: { kind: 'int', value: keyBias ? 1 : 0 },
    sinks: { kind: 'int', value: sinks ? 1 : 0 },
  };
}

/** What a node of `causalAttention` was made with. */
export function attentionOf(node: GraphNode): {
  readonly shape: AttentionShape;
  readonly terms: AttentionTerms;
} {
  const number = (name: string) => Number(node.attributes[name]?.value ?? 0);
  const more = node.inputs.slice(3);
  const keyBias = number('keyBias') ? more.shift() : undefined;
  const sinks = number('sinks') ? more.shift() : undefined;
  const shape = {
    heads: number('heads'),
    keyValueHeads: number('keyValueHeads'),
    scale: number('scale'),
    softcap: number('softcap') || undefined,
    window: number('window') || undefined,
  };
  return { shape, terms: { keyBias, sinks } };
}

/** [tokens, heads · features] as [keyValueHeads, heads / keyValueHeads, tokens, features]. */
export function byQueryHead(graph: GraphBuilder, x: Value, { heads, keyValueHeads }: AttentionShape): Value {
  const split = [dimension(x, 0), keyValueHeads, heads / keyValueHeads, dimension(x, 1) / heads];
  return transpose(graph, reshape(graph, x, split), [1, 2, 0, 3]);
}

/** [tokens, keyValueHeads · features] as [tokens, keyValueHeads, features] with its axes in another order. */
export function byKeyValueHead(
  graph: GraphBuilder,
  x: Value,
  { keyValueHeads }: AttentionShape,
  permutation: readonly number[],
): Value {
  const split = [dimension(x, 0), keyValueHeads, dimension(x, 1) / keyValueHeads];
  return transpose(graph, reshape(graph, x, split), permutation);
}

/** Of [keyValueHeads, group, tokens, n] a chunk's [keyValueHeads, group · queries, n]. */
export function ofChunk(graph: GraphBuilder, x: Value, { start, end }: QueryChunk): Value {
  const [keyValueHeads = 0, group = 0, , features = 0] = x.shape;
  return reshape(graph, slice(graph, x, 2, start, end), [keyValueHeads, group * (end - start), features]);
}

/** What chunks have for their queries, [keyValueHeads, group · queries, features] each, as [tokens, heads · features]. */
export function fromQueryHeads(
  graph: GraphBuilder,
  chunks: readonly Value[],
  { heads, keyValueHeads }: AttentionShape,
): Value {
  const group = heads / keyValueHeads;
  const split = chunks.map((x) =>
    reshape(graph, x, [keyValueHeads, group, dimension(x, 1) / group, dimension(x, 2)]),
  );
  const joined = concat(graph, split, 2);
  const rows = transpose(graph, joined, [2, 0, 1, 3]);
  return reshape(graph, rows, [dimension(joined, 2), heads * dimension(joined, 3)]);
}

/** What becomes of a chunk's scores before the softmax, and in it. */
export interface ScoreTerms {
  /** [queries, keys] */
  readonly mask: Value;
  readonly softcap: number | undefined;
  /** [keyValueHeads, group, 1, keys] */
  readonly keyBias: Value | undefined;
  /** [keyValueHeads, group, queries, 1] */
  readonly sinks: Value | undefined;
}

export function scoreTerms(
  graph: GraphBuilder,
  tokens: number,
  chunk: QueryChunk,
  shape: AttentionShape,
  { keyBias, sinks }: AttentionTerms,
): ScoreTerms {
  const { start, end, firstKey } = chunk;
  const { heads, keyValueHeads, softcap } = shape;
  const byHead = [keyValueHeads, heads / keyValueHeads, 1];
  return {
    mask: causalMask(graph, tokens, chunk, shape),
    softcap,
    keyBias: keyBias && slice(graph, reshape(graph, keyBias, [...byHead, tokens]), 3, firstKey, end),
    sinks: sinks && expand(graph, reshape(graph, sinks, [...byHead, 1]), [...byHead.with(2, end - start), 1]),
  };
}

/**
 * softmax of the scores query·keys, capped and with what is added to them.
 *
 * @param query [keyValueHeads, group · queries, head_dim]
 * @param keys [keyValueHeads, head_dim, keys]
 * @returns weights [keyValueHeads, group · queries, keys], and of that shape tanh(score/softcap) where there is one
 */
export function attentionWeights(
  graph: GraphBuilder,
  query: Value,
  keys: Value,
  { mask, softcap, keyBias, sinks }: ScoreTerms,
): { readonly weights: Value; readonly capped: Value | undefined } {
  const product = matmul(graph, query, keys);
  const capped = softcap === undefined ? undefined : tanh(graph, scale(graph, product, 1 / softcap));
  const scores = capped && softcap !== undefined ? scale(graph, capped, softcap) : product;
  const [keyValueHeads = 0, rows = 0, count = 0] = scores.shape;
  const queries = dimension(mask, 0);
  const split = reshape(graph, scores, [keyValueHeads, rows / queries, queries, count]);
  const masked = add(graph, keyBias ? add(graph, split, keyBias) : split, mask);
  const weights = sinks
    ? slice(graph, softmax(graph, concat(graph, [masked, sinks], 3)), 3, 0, count)
    : softmax(graph, masked);
  return { weights: reshape(graph, weights, scores.shape), capped };
}

/**
 * The mask [queries, keys] of a chunk, cut out of one table: what lies between a query and a key decides alone, and the last
 * row has every distance.
 */
function causalMask(
  graph: GraphBuilder,
  tokens: number,
  { start, end, firstKey }: QueryChunk,
  { window = tokens }: AttentionShape,
): Value {
  const rows = Math.min(QUERY_CHUNK, tokens);
  const table = graph.table(window < tokens ? `causal_mask_${window}` : 'causal_mask', [rows, tokens], () => {
    const data = new Float32Array(rows * tokens);
    for (let row = 0; row < rows; row++) {
      const own = tokens - rows + row;
      data.fill(Number.NEGATIVE_INFINITY, row * tokens + own + 1, (row + 1) * tokens);
      data.fill(Number.NEGATIVE_INFINITY, row * tokens, row * tokens + Math.max(0, own + 1 - window));
    }
    return data;
  });
  const keys = end - firstKey;
  return slice(graph, slice(graph, table, 0, rows - (end - start), rows), 1, tokens - keys, tokens);
}
