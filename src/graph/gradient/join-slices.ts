/**
 * Gradients of slices of one value.
 * @module
 */
import type { GraphBuilder } from '../graph-builder.js';
import { add } from '../operators/arithmetic.js';
import { concat, pad } from '../operators/shape.js';
import type { Value } from '../value.js';
import type { SliceGradient } from './gradient-rule.js';

/**
 * The gradient of a value's axis of `size` elements from those of its slices. Slices that overlap are added within the
 * part that they cover, the smaller one padded to it; parts that don't are put next to each other.
 *
 * @param slices along the same axis, at least one
 */
export function joinSlices(graph: GraphBuilder, slices: readonly SliceGradient[], size: number): Value {
  const parts: SliceGradient[] = [];
  for (const next of slices.toSorted((a, b) => a.start - b.start || a.end - b.end)) {
    const last = parts.at(-1);
    if (!last || last.end <= next.start) parts.push(next);
    else parts[parts.length - 1] = addOverlapping(graph, last, next);
  }
  const [first] = parts;
  if (!first) throw new Error('a gradient of no slices');
  const filled = parts.map(({ axis, start, end, gradient }, index) => {
    const before = index === 0 ? start : 0;
    const after = (parts[index + 1]?.start ?? size) - end;
    return pad(graph, gradient, axis, before, after);
  });
  return concat(graph, filled, first.axis);
}

function addOverlapping(graph: GraphBuilder, a: SliceGradient, b: SliceGradient): SliceGradient {
  const start = Math.min(a.start, b.start);
  const end = Math.max(a.end, b.end);
  const [first, second] = [a, b].map((part) =>
    pad(graph, part.gradient, a.axis, part.start - start, end - part.end),
  ) as [Value, Value];
  return { axis: a.axis, start, end, gradient: add(graph, first, second) };
}
