/**
 * What a block alone says of its weights: the gradients of a loss that depends on nothing but the block's output.
 * @module
 */
import type { BlockDescription } from '../model/description.js';
import { weightGradientName } from './block-gradient-graph.js';
import { type BlockGraph, buildBlock } from './block-scope.js';
import { differentiate } from './gradient/differentiate.js';
import type { Graph, GraphBuilder } from './graph-builder.js';
import { HIDDEN_OUTPUT } from './logits-graph.js';
import { divide, scale, squareRoot, subtract } from './operators/arithmetic.js';
import { reduce } from './operators/reduce.js';
import type { Value } from './value.js';

/**
 * Of a window whose block input is x and whose block output is f(x), both [tokens, hidden].
 * `output norm`: ‖f(x)‖₂. `output error`: ‖f(x) − target‖₂².
 */
export type RegionalLoss = 'output norm' | 'output error';

/** Name of the graph input that takes what the block's output is compared with, [tokens, hidden]. */
export const TARGET_INPUT = 'target';

/** Name of the graph output that gives the loss, [1]. */
export const LOSS_OUTPUT = 'loss';

/**
 * From a window's block input, the loss and its gradients with respect to the weights of the linears, the forward
 * included. Inputs: `HIDDEN_INPUT`, the weights by their names within the block and, for `output error`, `TARGET_INPUT`;
 * outputs: `LOSS_OUTPUT` and `weightGradientName` of each linear.
 *
 * @param linears names within the block
 */
export function regionalGradientGraph(
  block: BlockDescription,
  tokens: number,
  linears: readonly string[],
  loss: RegionalLoss,
): Graph {
  const built = buildBlock(block, tokens);
  const { graph, output, weight } = built;
  const { value, gradient } = LOSSES[loss](built);
  graph.output(LOSS_OUTPUT, value);
  const wanted = new Map(linears.map((name) => [name, weight(`${name}.weight`)]));
  const gradients = differentiate(graph, [{ value: output, gradient }], [...wanted.values()]);
  for (const [name, value] of wanted) {
    const found = gradients.get(value);
    if (found) graph.output(weightGradientName(name), found);
  }
  return graph.build();
}

/** From a window's block input at `HIDDEN_INPUT` the block's output at `HIDDEN_OUTPUT`, at once. */
export function blockOutputGraph(block: BlockDescription, tokens: number): Graph {
  const { graph, output } = buildBlock(block, tokens);
  graph.output(HIDDEN_OUTPUT, output);
  return graph.build();
}

/** The loss [1], and its gradient with respect to the block's output. */
const LOSSES: Readonly<Record<RegionalLoss, (built: BlockGraph) => { value: Value; gradient: Value }>> = {
  'output norm': ({ graph, output }) => {
    const value = squareRoot(graph, sumOfSquares(graph, output));
    return { value, gradient: divide(graph, output, value) };
  },
  'output error': ({ graph, output }) => {
    const difference = subtract(graph, output, graph.input(TARGET_INPUT, output.shape));
    return { value: sumOfSquares(graph, difference), gradient: scale(graph, difference, 2) };
  },
};

/** Over both axes, [1]. */
function sumOfSquares(graph: GraphBuilder, x: Value): Value {
  return reduce(graph, 'ReduceSum', reduce(graph, 'ReduceSumSquare', x, 0), 0, true);
}
