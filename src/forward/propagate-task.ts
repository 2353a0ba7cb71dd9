/**
 * Worker task: one window's hidden states through a graph hidden → hidden, in place in their file.
 * @module
 */
import * as ort from 'onnxruntime-node';
import { RunError } from '../errors.js';
import { HIDDEN_INPUT, HIDDEN_OUTPUT } from '../graph/block-graphs.js';
import type { GraphRef } from '../runtime/compiled-graph.js';
import { firstNonFinite } from '../runtime/first-non-finite.js';
import { runGraph } from '../runtime/run-graph.js';
import { scratch } from '../runtime/scratch.js';
import type { TensorRef } from '../runtime/tensor-ref.js';
import { readExactly, writeExactly } from '../runtime/worker-files.js';

export interface PropagateArguments {
  readonly graph: GraphRef;
  readonly weights: Readonly<Record<string, TensorRef>>;
  readonly path: string;
  readonly offset: number;
  readonly tokens: number;
  readonly hiddenSize: number;
  /** What computes, for messages: `model.layers.3`. */
  readonly where: string;
}

/** @throws RunError naming the block and position of the first hidden state that isn't finite */
export async function propagateWindow(args: PropagateArguments): Promise<void> {
  const { graph, weights, path, offset, tokens, hiddenSize, where } = args;
  const length = tokens * hiddenSize;
  const input = scratch('hidden', length);
  const output = scratch('hidden out', length);
  readExactly(path, offset, new Uint8Array(input.buffer, input.byteOffset, input.byteLength));
  const shape = [tokens, hiddenSize];
  await runGraph(
    graph,
    { ...weights, [HIDDEN_INPUT]: new ort.Tensor('float32', input, shape) },
    { [HIDDEN_OUTPUT]: new ort.Tensor('float32', output, shape) },
  );
  const bad = firstNonFinite(output);
  if (bad >= 0) {
    const position = Math.floor(bad / hiddenSize);
    throw new RunError(
      `${where}: the output is ${output[bad]} at token ${position}, feature ${bad % hiddenSize}`,
    );
  }
  writeExactly(path, offset, new Uint8Array(output.buffer, output.byteOffset, output.byteLength));
}
