/**
 * Worker task: one window through a block's statistics graph.
 * @module
 */
import * as ort from 'onnxruntime-node';
import { activationOutputName, HIDDEN_INPUT } from '../graph/block-graphs.js';
import type { GraphRef } from '../runtime/compiled-graph.js';
import { type Feeds, runGraph } from '../runtime/run-graph.js';
import { scratch } from '../runtime/scratch.js';
import type { TensorRef } from '../runtime/tensor-ref.js';
import { readExactly } from '../runtime/worker-files.js';

export interface CollectArguments {
  readonly graph: GraphRef;
  readonly weights: Readonly<Record<string, TensorRef>>;
  readonly path: string;
  readonly offset: number;
  readonly tokens: number;
  readonly hiddenSize: number;
  readonly groups: readonly {
    readonly name: string;
    readonly size: number;
    /** Receives Xᵀ [size, tokens]; left out when only the sums are wanted. */
    readonly transposed?: bigint;
  }[];
}

/** Σ over the window's tokens of x², [size], for each group. */
export async function collectWindow(args: CollectArguments): Promise<Float32Array[]> {
  const { graph, weights, path, offset, tokens, hiddenSize, groups } = args;
  const input = scratch('hidden', tokens * hiddenSize);
  readExactly(path, offset, new Uint8Array(input.buffer, input.byteOffset, input.byteLength));
  const outputs: Record<string, Feeds[string]> = {};
  const sums = groups.map(({ name, size, transposed }) => {
    const sum = new Float32Array(size);
    outputs[activationOutputName(name, 'sum of squares')] = new ort.Tensor('float32', sum, [size]);
    if (transposed !== undefined) {
      outputs[activationOutputName(name, 'transposed activations')] = {
        address: transposed,
        shape: [size, tokens],
      };
    }
    return sum;
  });
  const hidden = new ort.Tensor('float32', input, [tokens, hiddenSize]);
  await runGraph(graph, { ...weights, [HIDDEN_INPUT]: hidden }, outputs);
  return sums;
}
