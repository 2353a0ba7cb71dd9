/**
 * Operators that move elements without changing them.
 * @module
 */
import type { GraphBuilder } from '../graph-builder.js';
import { elementCount, type Value } from '../value.js';

/** The same elements in row-major order under another shape. */
export function reshape(graph: GraphBuilder, x: Value, shape: readonly number[]): Value {
  if (elementCount(shape) !== elementCount(x.shape)) {
    throw new Error(`reshape: [${x.shape.join(', ')}] to [${shape.join(', ')}]`);
  }
  return graph.node('Reshape', [x, graph.int64s('shape', shape)], shape, {}, x.type);
}

/** Axes in the order `permutation`, as in NumPy's transpose. */
export function transpose(graph: GraphBuilder, x: Value, permutation: readonly number[]): Value {
  const shape = permutation.map((axis) => dimension(x, axis));
  return graph.node('Transpose', [x], shape, { perm: { kind: 'ints', value: permutation } });
}

/** Elements `start` ≤ i < `end` of one axis. */
export function slice(graph: GraphBuilder, x: Value, axis: number, start: number, end: number): Value {
  if (start === 0 && end === dimension(x, axis)) return x;
  const shape = x.shape.with(axis, end - start);
  const bounds = [graph.int64s('start', [start]), graph.int64s('end', [end]), graph.int64s('axis', [axis])];
  return graph.node('Slice', [x, ...bounds], shape);
}

/** Values one after another along an axis. */
export function concat(graph: GraphBuilder, parts: readonly Value[], axis: number): Value {
  const [first] = parts;
  if (!first) throw new Error('concat of nothing');
  if (parts.length === 1) return first;
  const size = parts.reduce((sum, part) => sum + dimension(part, axis), 0);
  return graph.node('Concat', parts, first.shape.with(axis, size), { axis: { kind: 'int', value: axis } });
}

/** Zeros before and after the elements of one axis. */
export function pad(graph: GraphBuilder, x: Value, axis: number, before: number, after: number): Value {
  if (before === 0 && after === 0) return x;
  const none = x.shape.map(() => 0);
  const pads = graph.int64s('pads', [...none.with(axis, before), ...none.with(axis, after)]);
  return graph.node('Pad', [x, pads], x.shape.with(axis, dimension(x, axis) + before + after));
}

/** Repeats what lies along axes of size 1 until the shape is `shape`; leading axes may be new. */
export function expand(graph: GraphBuilder, x: Value, shape: readonly number[]): Value {
  return graph.node('Expand', [x, graph.int64s('shape', shape)], shape);
}

/** x, but not before the others are computed: what is made of it then follows them, in whatever order operators run. */
export function computedAfter(graph: GraphBuilder, x: Value, others: readonly Value[]): Value {
  if (others.length === 0) return x;
  const flat = (value: Value) => reshape(graph, value, [elementCount(value.shape)]);
  const waiting = others.map((other) => slice(graph, flat(other), 0, 0, 1));
  const joined = concat(graph, [flat(x), ...waiting], 0);
  return reshape(graph, slice(graph, joined, 0, 0, elementCount(x.shape)), x.shape);
}

/** Size of one axis; an axis that doesn't exist is a programming error. */
export function dimension(x: Value, axis: number): number {
  const size = x.shape[axis];
  if (size === undefined) throw new Error(`${x.name} has no axis ${axis}: [${x.shape.join(', ')}]`);
  return size;
}
