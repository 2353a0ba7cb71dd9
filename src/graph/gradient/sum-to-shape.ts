/**
 * The gradient of what an operator repeated.
 * @module
 */
import type { GraphBuilder } from '../graph-builder.js';
import { reduce } from '../operators/reduce.js';
import { reshape } from '../operators/shape.js';
import { elementCount, type Value } from '../value.js';

/** Sums a gradient over the axes along which a value of `shape` was repeated (NumPy's broadcasting). */
export function sumToShape(graph: GraphBuilder, gradient: Value, shape: readonly number[]): Value {
  const leading = gradient.shape.length - shape.length;
  const inner = gradient.shape.slice(leading);
  let sum = gradient;
  if (leading > 0) {
    const repeats = elementCount(gradient.shape.slice(0, leading));
    sum = reduce(graph, 'ReduceSum', reshape(graph, sum, [repeats, ...inner]), 0);
  }
  for (const [axis, size] of shape.entries()) {
    if (size === 1 && inner[axis] !== 1) sum = reduce(graph, 'ReduceSum', sum, axis, true);
  }
  return sum;
}
