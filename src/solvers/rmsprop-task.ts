/**
 * Worker task: a step of RMSprop on some elements of a matrix.
 * @module
 */
import { RunError } from '../errors.js';
import { STEP_RATE, STEP_SQUARES, STEP_WEIGHTS, stepGradientName } from '../graph/rmsprop-graph.js';
import type { GraphRef } from '../runtime/compiled-graph.js';
import { firstNonFinite } from '../runtime/first-non-finite.js';
import type { Part } from '../runtime/parts.js';
import { runGraph } from '../runtime/run-graph.js';
import { arrayTensor, type TensorRef } from '../runtime/tensor-ref.js';
import { float32View } from '../system/native-memory.js';

/** Places of the first element of a matrix, f32. */
export interface StepToTake {
  /** For messages: `model.layers.3.mlp.up_proj.weight`. */
  readonly name: string;
  readonly rate: number;
  readonly weights: bigint;
  /** The running mean of g². */
  readonly squares: bigint;
  /** One a window. */
  readonly gradients: readonly bigint[];
  /** Elements that are taken at a time, each with the graph for its size. */
  readonly parts: readonly (Part & { readonly graph: GraphRef })[];
}

/** @throws RunError naming a weight that isn't finite after the step */
export function takeStep({ name, rate, weights, squares, gradients, parts }: StepToTake): void {
  const learningRate = arrayTensor(Float32Array.of(rate), [1]);
  for (const { first, count, graph } of parts) {
    const at = (address: bigint): TensorRef => ({ address: address + BigInt(first * 4), shape: [count] });
    runGraph(
      graph,
      {
        [STEP_RATE]: learningRate,
        [STEP_WEIGHTS.input]: at(weights),
        [STEP_SQUARES.input]: at(squares),
        ...Object.fromEntries(gradients.map((gradient, window) => [stepGradientName(window), at(gradient)])),
      },
      { [STEP_WEIGHTS.output]: at(weights), [STEP_SQUARES.output]: at(squares) },
    );
    const bad = firstNonFinite(float32View(at(weights).address, count));
    if (bad >= 0) {
      throw new RunError(
        `${name}: element ${first + bad} isn't finite after a step of the regional optimisation; a smaller learning_rate would help`,
      );
    }
  }
}
