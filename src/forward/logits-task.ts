/**
 * Worker task: one window's logits against a slice of the vocabulary, reduced per token.
 * @module
 */
import { HIDDEN_INPUT } from '../graph/block-scope.js';
import { MAXIMUM_OUTPUT, SUM_OUTPUT, TARGET_INPUT, TARGET_OUTPUT } from '../graph/logits-graph.js';
import type { GraphRef } from '../runtime/compiled-graph.js';
import { runGraph } from '../runtime/run-graph.js';
import { scratch } from '../runtime/scratch.js';
import { arrayTensor, type TensorRef } from '../runtime/tensor-ref.js';
import { bytesOf, readExactly } from '../runtime/worker-files.js';

export interface LogitsArguments {
  /** Consecutive token ranges of the window, each with the graph for its size. */
  readonly parts: readonly { readonly tokens: number; readonly graph: GraphRef }[];
  /** By the names of the graph's inputs. */
  readonly head: Readonly<Record<string, TensorRef>>;
  readonly path: string;
  readonly offset: number;
  /** That the head reads. */
  readonly features: number;
  /** Per token, the column of its target within the slice; 0 where the target lies outside. */
  readonly targets: Int32Array;
}

/** Per token of the window, over the slice. */
export interface SliceLogits {
  readonly maximum: Float32Array;
  /** Σ exp(logit − maximum) */
  readonly sum: Float32Array;
  readonly target: Float32Array;
}

export function sliceLogits(args: LogitsArguments): SliceLogits {
  const { parts, head, path, offset, features, targets } = args;
  const total = targets.length;
  const result = {
    maximum: new Float32Array(total),
    sum: new Float32Array(total),
    target: new Float32Array(total),
  };
  let first = 0;
  for (const { tokens, graph } of parts) {
    const hidden = scratch('hidden', tokens * features);
    readExactly(path, offset + first * features * 4, bytesOf(hidden));
    const range = (data: Float32Array) => arrayTensor(data.subarray(first, first + tokens), [tokens]);
    const columns = BigInt64Array.from(targets.subarray(first, first + tokens), BigInt);
    runGraph(
      graph,
      {
        [HIDDEN_INPUT]: arrayTensor(hidden, [tokens, features]),
        ...head,
        [TARGET_INPUT]: arrayTensor(columns, [tokens, 1]),
      },
      {
        [MAXIMUM_OUTPUT]: range(result.maximum),
        [SUM_OUTPUT]: range(result.sum),
        [TARGET_OUTPUT]: range(result.target),
      },
    );
    first += tokens;
  }
  return result;
}
