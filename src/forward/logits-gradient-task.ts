/**
 * Worker task: what a slice of the vocabulary adds to the gradient of one window's cross-entropy.
 * @module
 */
import { HIDDEN_GRADIENT_OUTPUT, OUTPUT_GRADIENT_INPUT } from '../graph/block-gradient-graph.js';
import { HIDDEN_INPUT } from '../graph/block-scope.js';
import { LOG_SUM_EXP_INPUT, TARGET_INPUT, TOKEN_WEIGHT_INPUT } from '../graph/logits-graph.js';
import { runGraph } from '../runtime/run-graph.js';
import { scratch } from '../runtime/scratch.js';
import { arrayTensor } from '../runtime/tensor-ref.js';
import { bytesOf, readExactly, writeExactly } from '../runtime/worker-files.js';
import type { LogitsArguments } from './logits-task.js';

export interface LogitsGradientArguments extends LogitsArguments {
  /** Of the gradient [tokens, features] so far, in the same file. */
  readonly gradientOffset: number;
  /** Per token, over the whole vocabulary. */
  readonly logSumExp: Float32Array;
  /** Per token, the column of its target within the slice; the size of the slice where it lies outside. */
  readonly targets: Int32Array;
}

/** The loss is the mean over all tokens but the last, which predicts nothing. */
export function addLogitsGradient(args: LogitsGradientArguments): void {
  const { parts, head, path, offset, gradientOffset, features, targets, logSumExp } = args;
  const predictions = targets.length - 1;
  let first = 0;
  for (const { tokens, graph } of parts) {
    const start = first;
    const [hidden, gradient] = ['hidden', 'gradient'].map((name) => scratch(name, tokens * features)) as [
      Float32Array<ArrayBuffer>,
      Float32Array<ArrayBuffer>,
    ];
    const place = start * features * 4;
    readExactly(path, offset + place, bytesOf(hidden));
    readExactly(path, gradientOffset + place, bytesOf(gradient));
    const columns = BigInt64Array.from(targets.subarray(start, start + tokens), BigInt);
    const weights = Float32Array.from({ length: tokens }, (_, i) =>
      start + i < predictions ? 1 / predictions : 0,
    );
    const states = [tokens, features];
    const column = [tokens, 1];
    runGraph(
      graph,
      {
        [HIDDEN_INPUT]: arrayTensor(hidden, states),
        ...head,
        [TARGET_INPUT]: arrayTensor(columns, column),
        [LOG_SUM_EXP_INPUT]: arrayTensor(logSumExp.subarray(start, start + tokens), column),
        [TOKEN_WEIGHT_INPUT]: arrayTensor(weights, column),
        [OUTPUT_GRADIENT_INPUT]: arrayTensor(gradient, states),
      },
      { [HIDDEN_GRADIENT_OUTPUT]: arrayTensor(gradient, states) },
    );
    writeExactly(path, gradientOffset + place, bytesOf(gradient));
    first += tokens;
  }
}
