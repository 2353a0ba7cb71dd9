/**
 * Normalisations over the last axis.
 * @module
 */
import type { GraphBuilder } from '../graph-builder.js';
import type { Value } from '../value.js';

/** x / √(mean(x²) + epsilon) · weight (Zhang & Sennrich 2019, arXiv 1910.07467). */
export function rmsNorm(graph: GraphBuilder, x: Value, weight: Value, epsilon: number): Value {
  return graph.node('RMSNormalization', [x, weight], x.shape, {
    axis: { kind: 'int', value: -1 },
    epsilon: { kind: 'float', value: epsilon },
  });
}

export function softmax(graph: GraphBuilder, x: Value): Value {
  return graph.node('Softmax', [x], x.shape, { axis: { kind: 'int', value: -1 } });
}
