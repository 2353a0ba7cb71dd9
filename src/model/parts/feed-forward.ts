/**
 * Feed-forward networks as parts of blocks.
 * @module
 */
import type { GraphBuilder } from '../../graph/graph-builder.js';
import { multiply } from '../../graph/operators/arithmetic.js';
import type { Value } from '../../graph/value.js';
import type { Activation } from './activations.js';
import { MLP_HIDDEN, MLP_INPUT } from './input-groups.js';
import { type LinearPart, linearDescriptions, linearTensors, type Part } from './part.js';

export interface GatedLinears {
  readonly gate: LinearPart;
  readonly up: LinearPart;
  readonly down: LinearPart;
}

/** What `down` reads. @param up computes the other factor, after what is made of the gate */
export type Gating = (graph: GraphBuilder, gate: Value, up: () => Value) => Value;

/** down(activation(gate(x)) · up(x)) (Shazeer 2020, arXiv 2002.05202). */
export function gatedFeedForward(linears: GatedLinears, activation: Activation): Part {
  return feedForwardWith(linears, (graph, gate, up) => {
    const gated = activation(graph, gate);
    return multiply(graph, gated, up());
  });
}

/** down(gating(gate(x), up(x))) */
export function feedForwardWith({ gate, up, down }: GatedLinears, gating: Gating): Part {
  const linears = [gate, up, down];
  return {
    tensors: linearTensors(linears),
    linears: linearDescriptions(linears),
    apply({ graph, linear }, x) {
      const hidden = gating(graph, linear(gate.name, x), () => linear(up.name, x));
      return linear(down.name, hidden);
    },
  };
}

export interface FeedForwardSizes {
  readonly hidden: number;
  readonly intermediate: number;
  readonly bias?: boolean | undefined;
  /** Of what the network reads. */
  readonly inputGroup?: string | undefined;
  /** Of what `down` reads. */
  readonly hiddenGroup?: string | undefined;
}

export interface GatedNames {
  readonly gate: string;
  readonly up: string;
  readonly down: string;
}

/** Llama's names within a module, or within the block itself. */
export function gatedNames(module?: string): GatedNames {
  const prefix = module === undefined ? '' : `${module}.`;
  return { gate: `${prefix}gate_proj`, up: `${prefix}up_proj`, down: `${prefix}down_proj` };
}

/** The three linears of the gated feed-forward network, by their names. */
export function gatedLinears({ gate, up, down }: GatedNames, sizes: FeedForwardSizes): GatedLinears {
  const { hidden, intermediate, bias, inputGroup = MLP_INPUT } = sizes;
  return {
    gate: { name: gate, out: intermediate, in: hidden, inputGroup, bias },
    ...plainLinears({ up, down }, sizes),
  };
}

/** The two linears of the plain feed-forward network, by their names. */
export function plainLinears(
  names: { readonly up: string; readonly down: string },
  { hidden, intermediate, bias, inputGroup = MLP_INPUT, hiddenGroup = MLP_HIDDEN }: FeedForwardSizes,
): { readonly up: LinearPart; readonly down: LinearPart } {
  return {
    up: { name: names.up, out: intermediate, in: hidden, inputGroup, bias },
    down: { name: names.down, out: hidden, in: intermediate, inputGroup: hiddenGroup, bias },
  };
}

/** down(activation(up(x))) */
export function plainFeedForward(
  { up, down }: { readonly up: LinearPart; readonly down: LinearPart },
  activation: Activation,
): Part {
  const linears = [up, down];
  return {
    tensors: linearTensors(linears),
    linears: linearDescriptions(linears),
    apply: ({ graph, linear }, x) => linear(down.name, activation(graph, linear(up.name, x))),
  };
}
