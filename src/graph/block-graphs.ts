/**
 * The graphs of one block: its statistics pass and its propagation.
 * @module
 */
import type { BlockDescription, BlockScope } from '../model/description.js';
import { type Graph, GraphBuilder } from './graph-builder.js';
import { linear } from './operators/arithmetic.js';
import { reduce } from './operators/reduce.js';
import { transpose } from './operators/shape.js';
import type { Value } from './value.js';

/** Name of the graph input that takes the block's input [tokens, hidden]. */
export const HIDDEN_INPUT = 'hidden';
/** Name of the propagation graph's output, of the same shape. */
export const HIDDEN_OUTPUT = 'hidden_out';

/** What a statistics graph gives for each input group. */
export type ActivationOutput =
  /** Σ over tokens of x², [in] */
  | 'sum of squares'
  /** Xᵀ [in, tokens]: rows are features, so that slabs of features are contiguous */
  | 'transposed activations';

/** Name of a statistics output for a group. */
export function activationOutputName(group: string, output: ActivationOutput): string {
  return `${output}: ${group}`;
}

/** hidden [tokens, hidden] → hidden of the next block. Weights are inputs named as within the block. */
export function propagationGraph(block: BlockDescription, tokens: number): Graph {
  const { graph, hidden, scope } = blockScope(`propagate ${block.graphKey}`, block, tokens);
  graph.output(HIDDEN_OUTPUT, block.forward(scope, hidden));
  return graph.build();
}

/**
 * Forward of a block that keeps what its linears read. It ends at the input of the last linear: what comes
 * after is not computed.
 */
export function statisticsGraph(
  block: BlockDescription,
  tokens: number,
  outputs: readonly ActivationOutput[],
): Graph {
  const activations = new Map<string, Value>();
  const { graph, hidden, scope } = blockScope(`statistics ${block.graphKey}`, block, tokens, (group, x) => {
    const known = activations.get(group);
    if (known && known !== x) throw new Error(`the linears of input group ${group} read different values`);
    activations.set(group, x);
  });
  block.forward(scope, hidden);
  for (const [group, x] of activations) {
    for (const output of outputs) {
      const value =
        output === 'sum of squares' ? reduce(graph, 'ReduceSumSquare', x, 0) : transpose(graph, x, [1, 0]);
      graph.output(activationOutputName(group, output), value);
    }
  }
  return graph.build();
}

function blockScope(
  name: string,
  block: BlockDescription,
  tokens: number,
  onLinear: (group: string, x: Value) => void = () => {},
): { graph: GraphBuilder; hidden: Value; scope: BlockScope } {
  const graph = new GraphBuilder(name);
  const hidden = graph.input(HIDDEN_INPUT, [tokens, block.hiddenSize]);
  const weights = new Map(
    block.tensors.map((tensor) => [tensor.name, graph.input(tensor.name, tensor.shape)]),
  );
  const weight = (tensor: string): Value => {
    const value = weights.get(tensor);
    if (!value) throw new Error(`block ${block.prefix} describes no tensor ${tensor}`);
    return value;
  };
  const scope: BlockScope = {
    graph,
    weight,
    linear(linearName, x) {
      const description = block.linears.find((candidate) => candidate.name === linearName);
      if (!description) throw new Error(`block ${block.prefix} describes no linear ${linearName}`);
      onLinear(description.inputGroup, x);
      return linear(graph, x, weight(`${linearName}.weight`), weights.get(`${linearName}.bias`));
    },
  };
  return { graph, hidden, scope };
}
