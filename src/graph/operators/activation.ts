/**
 * Activation functions.
 * @module
 */
import type { GraphBuilder } from '../graph-builder.js';
import type { Value } from '../value.js';
import { multiply } from './arithmetic.js';

/** x · sigmoid(x) (Elfwing et al. 2017, arXiv 1702.03118). */
export function silu(graph: GraphBuilder, x: Value): Value {
  return multiply(graph, x, graph.node('Sigmoid', [x], x.shape));
}
