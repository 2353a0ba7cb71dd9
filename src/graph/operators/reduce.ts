/**
 * Reductions over one axis, which disappears unless `keep`.
 * @module
 */
import type { GraphBuilder } from '../graph-builder.js';
import type { Value } from '../value.js';

type Reduction = 'ReduceMax' | 'ReduceSum' | 'ReduceSumSquare';

export function reduce(
  graph: GraphBuilder,
  operator: Reduction,
  x: Value,
  axis: number,
  keep = false,
): Value {
  const shape = keep ? x.shape.with(axis, 1) : x.shape.toSpliced(axis, 1);
  return graph.node(operator, [x, graph.int64s('axis', [axis])], shape, {
    keepdims: { kind: 'int', value: keep ? 1 : 0 },
  });
}
