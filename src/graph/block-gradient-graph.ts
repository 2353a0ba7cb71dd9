/**
 * The backward of a block as a graph.
 * @module
 */
import type { BlockDescription } from '../model/description.js';
import { buildBlock } from './block-scope.js';
import { differentiate } from './gradient/differentiate.js';
import type { Graph } from './graph-builder.js';

/** Name of the graph input that takes the gradient of the loss with respect to what the forward gives. */
export const OUTPUT_GRADIENT_INPUT = 'output gradient';

/** Name of the graph output that gives the gradient of the loss with respect to what the forward takes. */
export const HIDDEN_GRADIENT_OUTPUT = 'hidden gradient';

/** Name of the graph output that gives the gradient [out, in] of a linear's weight. */
export function weightGradientName(linear: string): string {
  return `gradient: ${linear}`;
}

/**
 * From a window's block input [tokens, hidden] and the gradient with respect to the block's output, of the same shape,
 * the gradients with respect to the block's input and to the weights of the linears, summed over the tokens. The forward
 * is computed again on the way. Inputs: `HIDDEN_INPUT`, `OUTPUT_GRADIENT_INPUT` and the weights by their names within the
 * block; outputs: `HIDDEN_GRADIENT_OUTPUT` and `weightGradientName` of each linear.
 *
 * @param linears names within the block
 */
export function blockGradientGraph(
  block: BlockDescription,
  tokens: number,
  linears: readonly string[],
): Graph {
  const { graph, hidden, output, weight } = buildBlock(block, tokens);
  const gradient = graph.input(OUTPUT_GRADIENT_INPUT, output.shape);
  const wanted = new Map([
    [HIDDEN_GRADIENT_OUTPUT, hidden],
    ...linears.map((name) => [weightGradientName(name), weight(`${name}.weight`)] as const),
  ]);
  const gradients = differentiate(graph, [{ value: output, gradient }], [...wanted.values()]);
  for (const [name, value] of wanted) {
    const found = gradients.get(value);
    if (found) graph.output(name, found);
  }
  return graph.build();
}
