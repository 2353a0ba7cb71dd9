/**
 * The backward of a block as a graph.
 * @module
 */
import type { BlockDescription } from '../model/description.js';
import { buildBlock } from './block-scope.js';
import { differentiate } from './gradient/differentiate.js';
import type { Graph } from './graph-builder.js';
import type { Value } from './value.js';

/** Name of the graph input that takes the gradient of the loss with respect to what the forward gives. */
export const OUTPUT_GRADIENT_INPUT = 'output gradient';

/** Names of the graph inputs that take the gradients with respect to what goes to the block's experts. */
export const ROUTED_INPUT_GRADIENT = 'routed input gradient';
export const ROUTED_WEIGHTS_GRADIENT = 'routed weights gradient';

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
 * block, and where it has experts the gradients with respect to what goes to them; outputs: `HIDDEN_GRADIENT_OUTPUT` and `weightGradientName` of each linear.
 *
 * @param linears names within the block
 */
export function blockGradientGraph(
  block: BlockDescription,
  tokens: number,
  linears: readonly string[],
): Graph {
  const { graph, hidden, output, routed, weight } = buildBlock(block, tokens);
  const given = (name: string, value: Value) => ({ value, gradient: graph.input(name, value.shape) });
  const results = [
    given(OUTPUT_GRADIENT_INPUT, output),
    ...(routed
      ? [given(ROUTED_INPUT_GRADIENT, routed.input), given(ROUTED_WEIGHTS_GRADIENT, routed.weights)]
      : []),
  ];
  const wanted = new Map([
    [HIDDEN_GRADIENT_OUTPUT, hidden],
    ...linears.map((name) => [weightGradientName(name), weight(`${name}.weight`)] as const),
  ]);
  const gradients = differentiate(graph, results, [...wanted.values()]);
  for (const [name, value] of wanted) {
    const found = gradients.get(value);
    if (found) graph.output(name, found);
  }
  return graph.build();
}
