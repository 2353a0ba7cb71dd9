/**
 * The whole forward of a block as a graph, with the place of every linear in it.
 * @module
 */
import type { BlockDescription, BlockScope } from '../model/description.js';
import { GraphBuilder } from './graph-builder.js';
import { linear } from './operators/arithmetic.js';
import type { Value } from './value.js';

/** Name of the graph input that takes the block's input [tokens, hidden]. */
export const HIDDEN_INPUT = 'hidden';

/** A linear as it is applied. */
export interface LinearCall {
  readonly name: string;
  readonly inputGroup: string;
  /** [tokens, in] */
  readonly input: Value;
  /** [tokens, out] */
  readonly output: Value;
}

/** What goes to a block's experts. */
export interface RoutedValues {
  /** [tokens, features] */
  readonly input: Value;
  /** [tokens, experts] */
  readonly weights: Value;
}

export interface BlockGraph {
  readonly graph: GraphBuilder;
  /** The block's input [tokens, hidden]. */
  readonly hidden: Value;
  /** The block's output, of the same shape. */
  readonly output: Value;
  readonly linears: readonly LinearCall[];
  /** Where the block has experts. */
  readonly routed: RoutedValues | undefined;
  /** A tensor of the block by its name within the block. */
  weight(name: string): Value;
}

/**
 * Weights are inputs named as within the block. The same arguments give the same names to all values.
 *
 * @param beside a forward of the same block that this one is added to, with the same weights and another block input
 */
export function buildBlock(block: BlockDescription, tokens: number, beside?: BlockGraph): BlockGraph {
  const graph = beside?.graph ?? new GraphBuilder(block.graphKey);
  const hidden = graph.input(beside ? `other ${HIDDEN_INPUT}` : HIDDEN_INPUT, [tokens, block.hiddenSize]);
  const weights = new Map(
    block.tensors.map(({ name, shape }) => [name, beside?.weight(name) ?? graph.input(name, shape)]),
  );
  const weight = (tensor: string): Value => {
    const value = weights.get(tensor);
    if (!value) throw new Error(`block ${block.prefix} describes no tensor ${tensor}`);
    return value;
  };
  const linears: LinearCall[] = [];
  let routed: RoutedValues | undefined;
  const scope: BlockScope = {
    graph,
    weight,
    route(input, weights) {
      if (routed) throw new Error(`block ${block.prefix} routes twice`);
      routed = { input, weights };
    },
    linear(name, input) {
      const description = block.linears.find((candidate) => candidate.name === name);
      if (!description) throw new Error(`block ${block.prefix} describes no linear ${name}`);
      const { inputGroup } = description;
      const sibling = linears.find((call) => call.inputGroup === inputGroup);
      if (sibling && sibling.input !== input) {
        throw new Error(`the linears of input group ${inputGroup} read different values`);
      }
      const output = linear(graph, input, weight(`${name}.weight`), weights.get(`${name}.bias`));
      linears.push({ name, inputGroup, input, output });
      return output;
    },
  };
  const output = block.forward(scope, hidden);
  return { graph, hidden, output, linears, routed, weight };
}
