/**
 * Adding gradients up.
 * @module
 */
import { type Graph, GraphBuilder } from './graph-builder.js';
import { add, multiply } from './operators/arithmetic.js';

export const GRADIENT_INPUT = 'gradient';
export const GRADIENT_SUM = { input: 'sum', output: 'sum with gradient' } as const;
export const SQUARES_SUM = { input: 'squares', output: 'squares with gradient' } as const;

/** Adds a gradient of some elements to a sum, and its squares to another; outputs may be their inputs' memory. */
export function sumGradientsGraph(elements: number): Graph {
  const graph = new GraphBuilder('sum of gradients');
  const gradient = graph.input(GRADIENT_INPUT, [elements]);
  const sum = graph.input(GRADIENT_SUM.input, [elements]);
  const squares = graph.input(SQUARES_SUM.input, [elements]);
  graph.output(GRADIENT_SUM.output, add(graph, sum, gradient));
  graph.output(SQUARES_SUM.output, add(graph, squares, multiply(graph, gradient, gradient)));
  return graph.build();
}
