/**
 * What an operator says about its derivative.
 * @module
 */
import type { GraphBuilder, GraphNode } from '../graph-builder.js';
import type { Value } from '../value.js';

/** A gradient that is zero outside the elements `start` ≤ i < `end` of one axis. */
export interface SliceGradient {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  /** Of the elements within. */
  readonly gradient: Value;
}

/** What one use of a value adds to its gradient. */
export type Contribution = Value | SliceGradient;

/**
 * The vector–Jacobian products of a node: given the gradient of the loss with respect to the node's output, for each of
 * its inputs a function that adds the nodes of the gradient with respect to that input to the graph. It is called only
 * where that gradient is needed. An input that the list has nothing for has no gradient (axes, shapes, indices).
 */
export type GradientRule = (
  graph: GraphBuilder,
  node: GraphNode,
  gradient: Value,
) => readonly (() => Contribution)[];

/** By ONNX operator. */
export type GradientRules = Readonly<Record<string, GradientRule>>;

/** An input that every node of this operator has. */
export function inputOf({ operator, inputs }: GraphNode, index: number): Value {
  const input = inputs[index];
  if (!input) throw new Error(`${operator} has no input ${index}`);
  return input;
}

/** The only output of a node. */
export function outputOf({ operator, outputs }: GraphNode): Value {
  const [output, ...more] = outputs;
  if (!output || more.length > 0) throw new Error(`${operator} has ${outputs.length} outputs`);
  return output;
}

/** A numeric attribute of a node, or what ONNX takes when it is left out. */
export function numberAttribute(
  { operator, attributes }: GraphNode,
  name: string,
  otherwise: number,
): number {
  const { value = otherwise } = attributes[name] ?? {};
  if (typeof value !== 'number') throw new Error(`${operator}: the attribute ${name} is no number`);
  return value;
}

/** The numbers of an input that has to be a constant, such as axes and bounds. */
export function constantNumbers(graph: GraphBuilder, node: GraphNode, index: number): number[] {
  const data = graph.constantData(inputOf(node, index));
  if (!data) throw new Error(`${node.operator}: its input ${index} is no constant`);
  return Array.from(data, Number);
}
