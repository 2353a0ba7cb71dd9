/**
 * Feed-forward networks as parts of blocks.
 * @module
 */
import { multiply } from '../../graph/operators/arithmetic.js';
import type { Activation } from './activations.js';
import { type LinearPart, linearDescriptions, linearTensors, type Part } from './part.js';

/** down(activation(gate(x)) · up(x)) (Shazeer 2020, arXiv 2002.05202). */
export function gatedFeedForward(
  { gate, up, down }: { readonly gate: LinearPart; readonly up: LinearPart; readonly down: LinearPart },
  activation: Activation,
): Part {
  const linears = [gate, up, down];
  return {
    tensors: linearTensors(linears),
    linears: linearDescriptions(linears),
    apply({ graph, linear }, x) {
      const gated = activation(graph, linear(gate.name, x));
      return linear(down.name, multiply(graph, gated, linear(up.name, x)));
    },
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
