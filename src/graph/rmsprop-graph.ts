/**
 * A step of RMSprop.
 * @module
 */
import { type Graph, GraphBuilder } from './graph-builder.js';
import { add, divide, multiply, scale, sign, squareRoot, subtract } from './operators/arithmetic.js';

/** PyTorch's defaults: how much of the mean square stays at a step, and what is added to its root. */
const SMOOTHING = 0.99;
const EPSILON = 1e-8;

export const STEP_WEIGHTS = { input: 'weights', output: 'weights after' } as const;
export const STEP_SQUARES = { input: 'mean square', output: 'mean square after' } as const;

/** Name of the graph input that takes the learning rate, [1]. */
export const STEP_RATE = 'learning rate';

/** Name of the graph input that takes the gradient of one of the windows of a step. */
export function stepGradientName(window: number): string {
  return `gradient ${window}`;
}

/**
 * For some elements, with g the sum of the windows' gradients in their order:
 * v ← 0.99·v + 0.01·g², w ← w − rate·g / (√v + 1e-8), as in PyTorch without momentum (Hinton 2012, lecture 6e of "Neural
 * Networks for Machine Learning"). Outputs may be their inputs' memory.
 */
export function rmspropGraph(elements: number, windows: number, regrow: boolean): Graph {
  const graph = new GraphBuilder('RMSprop');
  const weights = graph.input(STEP_WEIGHTS.input, [elements]);
  const before = graph.input(STEP_SQUARES.input, [elements]);
  const gradient = Array.from({ length: windows }, (_, window) =>
    graph.input(stepGradientName(window), [elements]),
  ).reduce((sum, next) => add(graph, sum, next));
  const squares = add(
    graph,
    scale(graph, before, SMOOTHING),
    scale(graph, multiply(graph, gradient, gradient), 1 - SMOOTHING),
  );
  const epsilon = graph.constant('epsilon', [], Float32Array.of(EPSILON));
  const direction = divide(graph, gradient, add(graph, squareRoot(graph, squares), epsilon));
  const step = multiply(graph, direction, graph.input(STEP_RATE, [1]));
  const signs = sign(graph, weights);
  const taken = regrow ? step : multiply(graph, step, multiply(graph, signs, signs));
  graph.output(STEP_WEIGHTS.output, subtract(graph, weights, taken));
  graph.output(STEP_SQUARES.output, squares);
  return graph.build();
}
