/**
 * Choosing experts.
 * @module
 */
import type { GraphBuilder } from '../graph-builder.js';
import type { Value } from '../value.js';
import { expand } from './shape.js';

/** Name of the rule by which a choice has no gradient. */
export const TOP_MASK = 'TopMask';

/** 1 for the k largest elements of each row, 0 for the others; of equal ones the first. No gradient goes through it. */
export function topMask(graph: GraphBuilder, x: Value, k: number): Value {
  return graph.composite(TOP_MASK, [x], {}, () => {
    const [zero, one] = [0, 1].map((value) => graph.constant('mark', [], Float32Array.of(value))) as [
      Value,
      Value,
    ];
    const indices = graph.topIndices(x, k);
    const zeros = expand(graph, zero, x.shape);
    const ones = expand(graph, one, indices.shape);
    return graph.node('ScatterElements', [zeros, indices, ones], x.shape, {
      axis: { kind: 'int', value: 1 },
    });
  });
}
