/**
 * Worker task: one window through a graph, from and to its record in a file.
 * @module
 */
import { RunError } from '../errors.js';
import { elementCount } from '../graph/value.js';
import type { GraphRef } from '../runtime/compiled-graph.js';
import { firstNonFinite } from '../runtime/first-non-finite.js';
import { runGraph } from '../runtime/run-graph.js';
import { scratch } from '../runtime/scratch.js';
import { arrayTensor, type TensorRef } from '../runtime/tensor-ref.js';
import { bytesOf, readExactly, writeExactly } from '../runtime/worker-files.js';

/** A tensor of a window's record, f32. */
export interface RecordTensor {
  /** Of the graph's input or output. */
  readonly name: string;
  readonly shape: readonly number[];
  /** Bytes from the start of the record. */
  readonly offset: number;
}

/** A tensor that may lie in another file's record of the window. */
export interface ReadTensor extends RecordTensor {
  readonly from?: { readonly path: string; readonly record: number };
}

export interface WindowArguments {
  readonly graph: GraphRef;
  readonly weights: Readonly<Record<string, TensorRef>>;
  readonly path: string;
  /** Bytes before the window's record. */
  readonly record: number;
  readonly reads: readonly ReadTensor[];
  /** May lie where something that is read lies. */
  readonly writes: readonly RecordTensor[];
  /** Outputs that go to native memory. */
  readonly captures: Readonly<Record<string, TensorRef>>;
  /** Outputs that are returned, by name, with their numbers of elements. */
  readonly returns: Readonly<Record<string, number>>;
  /** What computes, for messages, where written values have to be finite: `model.layers.3`. */
  readonly where?: string | undefined;
}

export interface WindowResult {
  readonly returned: Readonly<Record<string, Float32Array>>;
  readonly seconds: number;
}

/** @throws RunError naming the position of the first written value that isn't finite */
export function runWindow(args: WindowArguments): WindowResult {
  const started = performance.now();
  const { graph, weights, path, record, reads, writes, captures, returns, where } = args;
  const inputs: Record<string, TensorRef> = { ...weights };
  for (const [index, { name, shape, offset, from = { path, record } }] of reads.entries()) {
    const data = scratch(`window in ${index}`, elementCount(shape));
    readExactly(from.path, from.record + offset, bytesOf(data));
    inputs[name] = arrayTensor(data, shape);
  }
  const outputs: Record<string, TensorRef> = { ...captures };
  const written = writes.map(({ name, shape, offset }, index) => {
    const data = scratch(`window out ${index}`, elementCount(shape));
    outputs[name] = arrayTensor(data, shape);
    return { data, shape, offset };
  });
  const returned: Record<string, Float32Array> = {};
  for (const [name, length] of Object.entries(returns)) {
    const data = new Float32Array(length);
    returned[name] = data;
    outputs[name] = arrayTensor(data, [length]);
  }
  runGraph(graph, inputs, outputs);
  for (const { data, shape, offset } of written) {
    if (where !== undefined) requireFinite(data, shape, where);
    writeExactly(path, record + offset, bytesOf(data));
  }
  return { returned, seconds: (performance.now() - started) / 1000 };
}

function requireFinite(data: Float32Array, shape: readonly number[], where: string): void {
  const bad = firstNonFinite(data);
  if (bad < 0) return;
  const features = shape.at(-1) ?? 1;
  throw new RunError(
    `${where}: the output is ${data[bad]} at token ${Math.floor(bad / features)}, feature ${bad % features}`,
  );
}
