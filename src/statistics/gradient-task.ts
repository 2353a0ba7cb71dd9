/**
 * Worker task: adds the gradients of windows, and their squares, to sums.
 * @module
 */
import { RunError } from '../errors.js';
import { GRADIENT_INPUT, GRADIENT_SUM, SQUARES_SUM } from '../graph/sum-gradients-graph.js';
import type { GraphRef } from '../runtime/compiled-graph.js';
import { firstNonFinite } from '../runtime/first-non-finite.js';
import type { Part } from '../runtime/parts.js';
import { runGraph } from '../runtime/run-graph.js';
import type { TensorRef } from '../runtime/tensor-ref.js';
import { float32View } from '../system/native-memory.js';

/** Gradients of a weight, f32. */
export interface GradientsToAdd {
  /** For messages: `model.layers.3.mlp.up_proj.weight`. */
  readonly name: string;
  /** Of Σ g over the windows. */
  readonly sum: bigint;
  /** Of Σ g². */
  readonly sumOfSquares: bigint;
  /** One a window, in the order in which they are added. */
  readonly gradients: readonly bigint[];
  /** Elements that all windows are added for before the next ones are, each with the graph for its size. */
  readonly parts: readonly (Part & { readonly graph: GraphRef })[];
}

/** @throws RunError naming a weight whose gradient isn't finite, or whose squares are too large for f32 */
export function addGradients({ name, sum, sumOfSquares, gradients, parts }: GradientsToAdd): void {
  for (const { first, count, graph } of parts) {
    const at = (address: bigint): TensorRef => ({ address: address + BigInt(first * 4), shape: [count] });
    const [sums, squares] = [at(sum), at(sumOfSquares)];
    for (const gradient of gradients) {
      runGraph(
        graph,
        {
          [GRADIENT_INPUT]: at(gradient),
          [GRADIENT_SUM.input]: sums,
          [SQUARES_SUM.input]: squares,
        },
        { [GRADIENT_SUM.output]: sums, [SQUARES_SUM.output]: squares },
      );
    }
    const bad = firstNonFinite(float32View(squares.address, count));
    if (bad >= 0) throw new RunError(`${name}: the gradient of element ${first + bad} isn't finite`);
  }
}
