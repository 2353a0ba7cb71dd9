/**
 * The check before weights are chosen by their scores.
 * @module
 */
import { RunError } from '../errors.js';
import type { Kernels } from '../runtime/kernels.js';

/**
 * Scores of weights that were updated may not be finite, and the kernels that choose take none that is NaN.
 *
 * @param scores of `elements` weights, f32 in the kernels' memory
 * @throws RunError naming the matrix
 */
export function requireFiniteScores(kernels: Kernels, scores: number, elements: number, name: string): void {
  if (kernels.firstNonFinite(scores, elements) < 0) return;
  throw new RunError(
    `${name}: a weight isn't finite while it is pruned; a larger prune.options.damping would help`,
  );
}
