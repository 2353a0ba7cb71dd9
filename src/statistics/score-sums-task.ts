/**
 * Worker tasks: sums over the scores of some rows of a linear.
 * @module
 */
import { freshKernels } from '../runtime/worker-kernels.js';
import { zeroCount } from '../sparsity/pattern.js';
import { forEachChunk, type ScoredRows } from '../sparsity/score-mask-task.js';

export interface ScoreSums {
  readonly sum: number;
  readonly sumOfSquares: number;
}

export function scoreSums(args: ScoredRows): ScoreSums {
  const kernels = freshKernels();
  let sum = 0;
  let sumOfSquares = 0;
  forEachChunk(kernels, args, ({ scores, elements }) => {
    for (const score of kernels.f32(scores, elements)) {
      sum += score;
      sumOfSquares += score * score;
    }
  });
  return { sum, sumOfSquares };
}

export function countAbove({ threshold, ...args }: ScoredRows & { readonly threshold: number }): number {
  const kernels = freshKernels();
  let count = 0;
  forEachChunk(kernels, args, ({ scores, elements }) => {
    for (const score of kernels.f32(scores, elements)) if (score > threshold) count++;
  });
  return count;
}

/** Sums of squared scores: of all, and of those that go at each sparsity. */
export interface ProbedSquares {
  readonly all: number;
  readonly gone: readonly number[];
}

/** Σ score² over the smallest of every row, for each of some sparsities. */
export function probeSquares({
  probes,
  ...args
}: ScoredRows & { readonly probes: readonly number[] }): ProbedSquares {
  const kernels = freshKernels();
  const { columns } = args;
  let all = 0;
  const gone = probes.map(() => 0);
  forEachChunk(kernels, args, ({ scores, rows, elements, mask }) => {
    const values = kernels.f32(scores, elements);
    const masked = kernels.u8(mask, elements);
    for (const score of values) all += score * score;
    for (const [index, probe] of probes.entries()) {
      kernels.selectSmallestRows(scores, rows, columns, zeroCount(columns, probe), mask);
      let sum = 0;
      for (let i = 0; i < elements; i++) {
        const score = values[i] as number;
        sum += score * score * (masked[i] as number);
      }
      gone[index] = (gone[index] as number) + sum;
    }
  });
  return { all, gone };
}
