/**
 * Self-attention as a part of a block.
 * @module
 */
import type { GraphBuilder } from '../../graph/graph-builder.js';
import { type AttentionShape, causalAttention } from '../../graph/operators/attention.js';
import { type RotaryEmbedding, rotary } from '../../graph/operators/rotary.js';
import { dimension } from '../../graph/operators/shape.js';
import type { Value } from '../../graph/value.js';
import type { NormPart } from './norms.js';
import { type LinearPart, linearDescriptions, linearTensors, type Part } from './part.js';

export interface AttentionOptions extends Omit<AttentionShape, 'scale'> {
  readonly query: LinearPart;
  readonly key: LinearPart;
  readonly value: LinearPart;
  readonly output: LinearPart;
  readonly headDim: number;
  /** 1/√headDim when left out. */
  readonly scale?: number | undefined;
  /** What q and k go through before they are rotated. */
  readonly queryNorm?: NormPart | undefined;
  readonly keyNorm?: NormPart | undefined;
  readonly rotary?: RotaryEmbedding | undefined;
  /** Table [heads, tokens] that is added to the scores. */
  readonly keyBias?: ((graph: GraphBuilder, tokens: number) => Value) | undefined;
  /** Name of the tensor [heads] of scores that take their share of the weights and give nothing. */
  readonly sinks?: string | undefined;
  /** What becomes of q, k and v as they are projected. */
  readonly clamp?: ((graph: GraphBuilder, x: Value) => Value) | undefined;
}

export function attentionPart(options: AttentionOptions): Part {
  const { query, key, value, output, headDim, queryNorm, keyNorm, keyBias, sinks, clamp } = options;
  const { heads, keyValueHeads, softcap, window, scale = 1 / Math.sqrt(headDim) } = options;
  const linears = [query, key, value, output];
  return {
    tensors: [
      ...linearTensors(linears),
      ...(queryNorm?.tensors ?? []),
      ...(keyNorm?.tensors ?? []),
      ...(sinks ? [{ name: sinks, shape: [heads] }] : []),
    ],
    linears: linearDescriptions(linears),
    apply(scope, x) {
      const { graph } = scope;
      const project = ({ name }: LinearPart) => {
        const projected = scope.linear(name, x);
        return clamp ? clamp(graph, projected) : projected;
      };
      const place = (projected: Value, norm: NormPart | undefined, count: number) => {
        const normed = norm ? norm.apply(scope, projected) : projected;
        return options.rotary ? rotary(graph, normed, count, options.rotary) : normed;
      };
      const q = place(project(query), queryNorm, heads);
      const k = place(project(key), keyNorm, keyValueHeads);
      const shape = { heads, keyValueHeads, scale, softcap, window };
      const terms = {
        keyBias: keyBias?.(graph, dimension(x, 0)),
        sinks: sinks ? scope.weight(sinks) : undefined,
      };
      return scope.linear(output.name, causalAttention(graph, q, k, project(value), shape, terms));
    },
  };
}
