/**
 * The memory that a session's arena grows to: what one run of its graph needs for what it computes on the way.
 * @module
 */
import type { Graph, GraphNode } from './graph-builder.js';
import { ELEMENT_TYPES, elementCount, type Value } from './value.js';

/** Operators whose result is the same memory under another name. */
const VIEWS: ReadonlySet<string> = new Set(['Reshape', 'Identity']);
/** Operators that onnxruntime lets write over an input that is read for the last time. */
const IN_PLACE: ReadonlySet<string> = new Set(['Add', 'Sub', 'Mul', 'Exp', 'Sigmoid', 'Softmax']);

/**
 * The most bytes of intermediate values that are alive at the same time, nodes taken in their order. Inputs and outputs
 * are the caller's memory and don't count.
 */
export function peakIntermediateBytes({ inputs, outputs, constants, nodes }: Graph): number {
  const own = new Set<Value>([...inputs, ...outputs, ...constants.map(({ value }) => value)]);
  const home = new Map<Value, Value>();
  const homeOf = (value: Value): Value => home.get(value) ?? value;
  const uses = new Map<Value, number>();
  // What a graph gives is computed into the caller's memory: a value that an output only renames.
  for (const {
    operator,
    inputs: [source],
    outputs: [result],
  } of nodes) {
    if (operator === 'Identity' && source && result && outputs.includes(result) && !own.has(source)) {
      own.add(source);
    }
  }
  for (const node of nodes) {
    const [source] = node.inputs;
    if (VIEWS.has(node.operator) && source) for (const view of node.outputs) home.set(view, homeOf(source));
    else for (const input of node.inputs) uses.set(homeOf(input), (uses.get(homeOf(input)) ?? 0) + 1);
  }
  const alive = new Set<Value>();
  let bytes = 0;
  let peak = 0;
  for (const node of nodes) {
    if (VIEWS.has(node.operator)) continue;
    for (const result of node.outputs) {
      if (own.has(result)) continue;
      const over = overwritten(node, result, alive, uses, homeOf);
      if (over) {
        // The input's memory goes on as the result's.
        alive.delete(over);
        bytes -= bytesOf(over);
      }
      alive.add(result);
      bytes += bytesOf(result);
    }
    peak = Math.max(peak, bytes);
    for (const input of node.inputs) {
      const source = homeOf(input);
      const left = (uses.get(source) ?? 1) - 1;
      uses.set(source, left);
      if (left > 0 || !alive.delete(source)) continue;
      bytes -= bytesOf(source);
    }
  }
  return peak;
}

function overwritten(
  { operator, inputs }: GraphNode,
  result: Value,
  alive: ReadonlySet<Value>,
  uses: ReadonlyMap<Value, number>,
  homeOf: (value: Value) => Value,
): Value | undefined {
  if (!IN_PLACE.has(operator)) return undefined;
  return inputs
    .map(homeOf)
    .find((source) => alive.has(source) && uses.get(source) === 1 && bytesOf(source) === bytesOf(result));
}

function bytesOf({ shape, type }: Value): number {
  return elementCount(shape) * ELEMENT_TYPES[type].bytes;
}
