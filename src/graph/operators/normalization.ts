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

/** (x − mean(x)) / √(variance(x) + epsilon) · weight (+ bias) (Ba et al. 2016, arXiv 1607.06450). */
export function layerNorm(
  graph: GraphBuilder,
  x: Value,
  weight: Value,
  bias: Value | undefined,
  epsilon: number,
): Value {
  return graph.node('LayerNormalization', bias ? [x, weight, bias] : [x, weight], x.shape, {
    axis: { kind: 'int', value: -1 },
    epsilon: { kind: 'float', value: epsilon },
  });
}

export function softmax(graph: GraphBuilder, x: Value): Value {
  return graph.node('Softmax', [x], x.shape, { axis: { kind: 'int', value: -1 } });
}
