/**
 * Worker tasks: choose and apply masks by score, on rows of one matrix in native memory or in files.
 * @module
 */

import { RunError } from '../errors.js';
import type { Kernels } from '../runtime/kernels.js';
import { rowsWithin } from '../runtime/parts.js';
import { readExactly } from '../runtime/worker-files.js';
import { freshKernels } from '../runtime/worker-kernels.js';
import type { ScoreVectors } from '../scores/score.js';
import { scoreByName } from '../scores/score-registry.js';
import type { FiledMatrix } from '../statistics/gradient-moments.js';
import { bytesView } from '../system/native-memory.js';
import { openRows, type RowsPlace, type WeightRows } from './weight-rows.js';

/** Elements scored at a time, so few that they stay in a core's cache; whole rows, at least one. */
const CHUNK_ELEMENTS = 32_768;

export interface ScoredRows {
  readonly score: string;
  /** Of the linear, for messages. */
  readonly name: string;
  /** Where the rows [rows, columns] begin. */
  readonly place: RowsPlace;
  readonly rows: number;
  readonly columns: number;
  /** Which row of the matrix the first one is, for messages; 0 when left out. */
  readonly first?: number | undefined;
  /** The score's vectors: each [columns], and each [rows]. */
  readonly vectors: ScoreVectors;
  /** The moments of gradients that the score asks for, from the first row on; none when left out. */
  readonly gradients?: readonly FiledMatrix[];
  /** The score's. */
  readonly options?: unknown;
  /**
   * What goes first whatever its score. `zeros`: the weights that are ±0; an address: where its bytes [rows, columns]
   * are 1. Nothing when left out.
   */
  readonly goFirst?: 'zeros' | bigint | undefined;
}

/** Rows with their scores. */
export interface ScoredChunk {
  readonly rows: number;
  /** Index of the first element among those of the task. */
  readonly first: number;
  readonly elements: number;
  readonly scores: number;
  /** Room for as many bytes as elements. */
  readonly mask: number;
  readonly source: WeightRows;
}

/** Scores the rows so many at a time that they stay in a core's cache. @throws RunError when a score isn't finite */
export function forEachChunk(kernels: Kernels, args: ScoredRows, visit: (chunk: ScoredChunk) => void): void {
  const { place, rows, columns, vectors, gradients = [], options = {} } = args;
  const score = scoreByName(args.score);
  const step = Math.min(rows, rowsWithin(CHUNK_ELEMENTS, columns));
  const source = openRows(kernels, place, rows * columns, step * columns);
  const scores = kernels.arena.allocate(step * columns * 4);
  const mask = kernels.arena.allocate(step * columns);
  const columnVectors = vectors.columns.map(() => kernels.arena.allocate(columns * 4));
  const rowVectors = vectors.rows.map(() => kernels.arena.allocate(step * 4));
  const matrices = gradients.map(() => kernels.arena.allocate(step * columns * 4));
  for (const [index, vector] of vectors.columns.entries()) {
    kernels.f32(columnVectors[index] ?? 0, columns).set(vector);
  }
  for (let row = 0; row < rows; row += step) {
    const count = Math.min(step, rows - row);
    const elements = count * columns;
    const first = row * columns;
    source.read(first, elements);
    const { weights } = source;
    for (const [index, vector] of vectors.rows.entries()) {
      kernels.f32(rowVectors[index] ?? 0, count).set(vector.subarray(row, row + count));
    }
    for (const [index, { path, offset }] of gradients.entries()) {
      readExactly(path, offset + first * 4, kernels.u8(matrices[index] ?? 0, elements * 4));
    }
    score.compute(kernels, {
      weights,
      scores,
      rows: count,
      columns,
      columnVectors,
      rowVectors,
      gradients: matrices,
      options,
    });
    const bad = kernels.firstNonFinite(scores, elements);
    if (bad >= 0) {
      const index = (args.first ?? 0) * columns + first + bad;
      throw new RunError(`${args.name}: the ${args.score} score isn't finite, first at index ${index}`);
    }
    if (args.goFirst !== undefined) {
      if (args.goFirst === 'zeros') kernels.markZeros(weights, elements, mask);
      else kernels.u8(mask, elements).set(bytesView(args.goFirst + BigInt(first), elements));
      kernels.rankMarkedFirst(scores, mask, elements);
    }
    visit({ rows: count, first, elements, scores, mask, source });
  }
}

/** Σ|w| of each of the rows, and over them of each column. */
export interface AbsoluteSums {
  readonly rows: Float64Array;
  readonly columns: Float64Array;
}

export function absoluteSums({ place, rows, columns }: Omit<ScoredRows, 'score' | 'vectors'>): AbsoluteSums {
  const kernels = freshKernels();
  const step = Math.min(rows, rowsWithin(CHUNK_ELEMENTS, columns));
  const source = openRows(kernels, place, rows * columns, step * columns);
  const rowSums = kernels.arena.allocate(rows * 8);
  const columnSums = kernels.arena.allocate(columns * 8);
  kernels.f64(rowSums, rows).fill(0);
  kernels.f64(columnSums, columns).fill(0);
  for (let row = 0; row < rows; row += step) {
    const count = Math.min(step, rows - row);
    source.read(row * columns, count * columns);
    kernels.absoluteSums(source.weights, rowSums + row * 8, columnSums, count, columns);
  }
  return { rows: kernels.f64(rowSums, rows).slice(), columns: kernels.f64(columnSums, columns).slice() };
}

export interface RowMaskArguments extends ScoredRows {
  /** Zeros in every row, or kept weights of every `of` consecutive ones. */
  readonly choice: { readonly zeros: number } | { readonly keep: number; readonly of: number };
}

/** Zeroes the weights with the smallest scores of every row, or of every group of a row. Returns the zeros there are. */
export function maskRows(args: RowMaskArguments): number {
  const { choice, columns } = args;
  const kernels = freshKernels();
  let zeros = 0;
  forEachChunk(kernels, args, ({ scores, rows, first, elements, mask, source }) => {
    if ('zeros' in choice) kernels.selectSmallestRows(scores, rows, columns, choice.zeros, mask);
    else kernels.selectNofM(scores, rows, columns, choice.keep, choice.of, mask);
    zeros += source.prune(first, elements, mask);
  });
  return zeros;
}

/** Values that the high or the low half of a score's bits can take. */
export const HISTOGRAM_BINS = 65_536;

export interface HistogramArguments extends ScoredRows {
  /** Left out: count by the high 16 bits. Given: by the low 16 bits of the scores with these high bits. */
  readonly high?: number | undefined;
}

/** How many scores have each value of half of their bits. Values outside of `counts` have none. */
export interface Histogram {
  /** Value that the first count is of. */
  readonly first: number;
  readonly counts: Uint32Array;
  /** Whether any score has a 1 among its low 16 bits: bf16 weights have none. */
  readonly usesLowBits: boolean;
}

export function scoreHistogram(args: HistogramArguments): Histogram {
  const kernels = freshKernels();
  return histogramOf(kernels, args.high, (count) => {
    forEachChunk(kernels, args, ({ scores, elements }) => count(scores, elements));
  });
}

/** Counts the scores that `visit` goes through, by half of their bits. @param high as in `HistogramArguments` */
export function histogramOf(
  kernels: Kernels,
  high: number | undefined,
  visit: (count: (scores: number, elements: number) => void) => void,
): Histogram {
  const histogram = kernels.arena.allocate(HISTOGRAM_BINS * 4);
  kernels.u32(histogram, HISTOGRAM_BINS).fill(0);
  let usesLowBits = false;
  visit((scores, elements) => {
    if (high !== undefined) kernels.histogramLow(scores, elements, high, histogram);
    else if (kernels.histogramHigh(scores, elements, histogram)) usesLowBits = true;
  });
  const counts = kernels.u32(histogram, HISTOGRAM_BINS);
  let [first, end] = [0, HISTOGRAM_BINS];
  while (first < end && counts[first] === 0) first++;
  while (end > first && counts[end - 1] === 0) end--;
  return { first, counts: counts.slice(first, end), usesLowBits };
}

export interface ThresholdArguments extends ScoredRows {
  /** Bits of the score below which every weight goes. */
  readonly threshold: number;
  /** Of the weights whose score is exactly the threshold, how many go, from the first. */
  readonly ties: number;
}

/** Zeroes the weights below a threshold and the first `ties` of those on it. Returns the zeros there are. */
export function maskBelow(args: ThresholdArguments): number {
  const kernels = freshKernels();
  let ties = args.ties;
  let zeros = 0;
  forEachChunk(kernels, args, ({ scores, first, elements, mask, source }) => {
    ties -= kernels.thresholdMask(scores, elements, args.threshold, ties, mask);
    zeros += source.prune(first, elements, mask);
  });
  return zeros;
}
