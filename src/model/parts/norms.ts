/**
 * Normalisations as parts of blocks.
 * @module
 */
import type { GraphBuilder } from '../../graph/graph-builder.js';
import { add, multiply } from '../../graph/operators/arithmetic.js';
import { layerNorm, rmsNorm } from '../../graph/operators/normalization.js';
import { concat, dimension, reshape } from '../../graph/operators/shape.js';
import { elementCount, type Value } from '../../graph/value.js';
import type { WeightScope } from '../description.js';
import type { AttentionSizes } from './attention-sizes.js';
import type { Part } from './part.js';

export type NormPart = Part<WeightScope>;

/** Builds the normalisation of a module's name over so many features. */
export type NormKind = (name: string, features: number) => NormPart;

/** RMS normalisation. @param onePlus whether the stored weight is what is added to 1 (Gemma) */
export function rmsNorms(epsilon: number, { onePlus = false } = {}): NormKind {
  return (name, features) => ({
    tensors: [{ name: `${name}.weight`, shape: [features] }],
    linears: [],
    apply({ graph, weight }, x) {
      const stored = weight(`${name}.weight`);
      const scale = onePlus ? add(graph, stored, constant(graph, [], 1)) : stored;
      return rmsNorm(graph, x, scale, epsilon);
    },
  });
}

/** Layer normalisation. @param has whether there is a weight, and a bias */
export function layerNorms(
  epsilon: number,
  has: { readonly weight?: boolean; readonly bias: boolean },
): NormKind {
  const { weight: hasWeight = true, bias: hasBias } = has;
  return (name, features) => ({
    tensors: [
      ...(hasWeight ? [{ name: `${name}.weight`, shape: [features] }] : []),
      ...(hasBias ? [{ name: `${name}.bias`, shape: [features] }] : []),
    ],
    linears: [],
    apply({ graph, weight }, x) {
      const scale = hasWeight ? weight(`${name}.weight`) : constant(graph, [features], 1);
      return layerNorm(graph, x, scale, hasBias ? weight(`${name}.bias`) : undefined, epsilon);
    },
  });
}

/**
 * A normalisation of each head on its own, with one weight for all heads.
 *
 * @param norm over the features of a head
 */
export function perHead(norm: NormPart, heads: number): NormPart {
  return {
    ...norm,
    apply(scope, x) {
      const split = [dimension(x, 0), heads, dimension(x, 1) / heads];
      return reshape(scope.graph, norm.apply(scope, reshape(scope.graph, x, split)), x.shape);
    },
  };
}

/** Normalisations of the heads of q and k, as modules of attention. */
export function headNorms(norm: NormKind, { heads, keyValueHeads, headDim }: AttentionSizes) {
  return {
    queryNorm: perHead(norm('self_attn.q_norm', headDim), heads),
    keyNorm: perHead(norm('self_attn.k_norm', headDim), keyValueHeads),
  };
}

/**
 * Layer normalisation of each head on its own, every head with a weight of its own and without bias.
 *
 * @param weights names of the tensors [head_dim] of the heads, or the name of one [heads, head_dim]
 */
export function perHeadWeights(
  weights: readonly string[] | string,
  { heads, headDim, epsilon }: { readonly heads: number; readonly headDim: number; readonly epsilon: number },
): NormPart {
  const tensors =
    typeof weights === 'string'
      ? [{ name: weights, shape: [heads, headDim] }]
      : weights.map((name) => ({ name, shape: [headDim] }));
  return {
    tensors,
    linears: [],
    apply({ graph, weight }, x) {
      const split = [dimension(x, 0), heads, headDim];
      const centred = layerNorm(
        graph,
        reshape(graph, x, split),
        constant(graph, [headDim], 1),
        undefined,
        epsilon,
      );
      const scale = concat(
        graph,
        tensors.map(({ name }) => reshape(graph, weight(name), [heads / tensors.length, headDim])),
        0,
      );
      return reshape(graph, multiply(graph, centred, scale), x.shape);
    },
  };
}

function constant(graph: GraphBuilder, shape: readonly number[], value: number): Value {
  return graph.constant('scale', shape, new Float32Array(elementCount(shape)).fill(value));
}
