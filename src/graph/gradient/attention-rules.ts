/**
 * The derivative of causal attention.
 * @module
 */
import type { GraphBuilder, GraphNode } from '../graph-builder.js';
import { add, matmul, multiply, scale, subtract } from '../operators/arithmetic.js';
import {
  attentionOf,
  attentionWeights,
  byKeyValueHead,
  byQueryHead,
  CAUSAL_ATTENTION,
  fromQueryHeads,
  ofChunk,
  QUERY_CHUNK,
  queryChunks,
  scoreTerms,
} from '../operators/attention.js';
import { reduce } from '../operators/reduce.js';
import { computedAfter, dimension, pad, reshape, slice, transpose } from '../operators/shape.js';
import type { Value } from '../value.js';
import { throughTanh } from './activation-rules.js';
import { type GradientRules, inputOf, outputOf } from './gradient-rule.js';

/**
 * Half a chunk comes first, so that chunks end elsewhere than in the forward. onnxruntime would keep the memory of a value of
 * the forward for the one of the same shape here, and compute equal operators once.
 */
const FIRST_CHUNK = QUERY_CHUNK / 2;

export const attentionRules: GradientRules = {
  [CAUSAL_ATTENTION](graph, node, gradient) {
    let known: AttentionGradients | undefined;
    const gradients = () => {
      known ??= attentionGradients(graph, node, gradient);
      return known;
    };
    return [() => gradients().q, () => gradients().k, () => gradients().v];
  },
};

interface AttentionGradients {
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
}

/**
 * With the weights P of a chunk, g its output's gradient, y its output and s the scale: D = P∘(g·vᵀ − Σ g∘y), and then
 * s·D·k for q, s·Dᵀ·q for k and Pᵀ·g for v; with a softcap D is multiplied by 1 − tanh², the derivative of the cap. The weights are computed again, and each chunk waits for the one before, so that
 * only those of one chunk are in memory (Dao et al. 2022, FlashAttention, section 3.1 and appendix B).
 */
function attentionGradients(graph: GraphBuilder, node: GraphNode, gradient: Value): AttentionGradients {
  const { shape, terms } = attentionOf(node);
  const [q, k, v] = [inputOf(node, 0), inputOf(node, 1), inputOf(node, 2)];
  const tokens = dimension(q, 0);
  const queries = byQueryHead(graph, scale(graph, q, shape.scale), shape);
  const keys = byKeyValueHead(graph, k, shape, [1, 0, 2]);
  const keyColumns = byKeyValueHead(graph, k, shape, [1, 2, 0]);
  const valueColumns = byKeyValueHead(graph, v, shape, [1, 2, 0]);
  const outputGradients = byQueryHead(graph, gradient, shape);
  const products = byQueryHead(graph, multiply(graph, gradient, outputOf(node)), shape);
  const shares = reduce(graph, 'ReduceSum', products, 3, true);

  const ofQueries: Value[] = [];
  let [ofKeys, ofValues]: Value[] = [];
  for (const chunk of queryChunks(tokens, shape, FIRST_CHUNK).toReversed()) {
    const { firstKey, end } = chunk;
    // Of what an operator reads, onnxruntime computes last what was added first; so these wait for the chunk's turn, too.
    const chunkKeys = slice(graph, keys, 1, firstKey, end);
    const [chunkKeyColumns, chunkValueColumns] = [keyColumns, valueColumns].map((x) =>
      slice(graph, x, 2, firstKey, end),
    ) as [Value, Value];
    const added = scoreTerms(graph, tokens, chunk, shape, terms);
    const before = [ofQueries[0], ofKeys, ofValues].filter((value) => value !== undefined);
    const [query, g] = [queries, outputGradients].map((x) =>
      computedAfter(graph, ofChunk(graph, x, chunk), before.length > 0 ? before : [gradient]),
    ) as [Value, Value];
    const { weights, capped } = attentionWeights(graph, query, chunkKeyColumns, added);
    const ofWeights = matmul(graph, g, chunkValueColumns);
    const share = ofChunk(graph, shares, chunk);
    const ofCapped = multiply(graph, subtract(graph, ofWeights, share), weights);
    const ofScores = capped ? throughTanh(graph, capped, ofCapped) : ofCapped;
    ofQueries.unshift(matmul(graph, ofScores, chunkKeys));
    const accumulate = (sum: Value | undefined, left: Value, right: Value) => {
      const product = matmul(graph, transpose(graph, left, [0, 2, 1]), right);
      const padded = pad(graph, product, 2, firstKey, tokens - end);
      return sum ? add(graph, sum, padded) : padded;
    };
    ofKeys = accumulate(ofKeys, query, ofScores);
    ofValues = accumulate(ofValues, g, weights);
  }
  const rows = (x: Value | undefined, { shape: own }: Value) => {
    if (!x) throw new Error(`${CAUSAL_ATTENTION} of no tokens`);
    return reshape(graph, transpose(graph, x, [2, 0, 1]), own);
  };
  return {
    q: scale(graph, fromQueryHeads(graph, ofQueries, shape), shape.scale),
    k: rows(ofKeys, k),
    v: rows(ofValues, v),
  };
}
