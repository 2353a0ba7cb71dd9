/**
 * Worker tasks: choose and apply masks by score, on rows of one matrix in native memory.
 * @module
 */
import { RunError } from '../errors.js';
import type { Kernels } from '../runtime/kernels.js';
import { freshKernels } from '../runtime/worker-kernels.js';
import { scoreByName } from '../scores/score-registry.js';
import { float32View } from '../system/native-memory.js';

/** Elements scored at a time; whole rows, at least one. */
const CHUNK_ELEMENTS = 262_144;

export interface ScoredRows {
  readonly score: string;
  /** Of the linear, for messages. */
  readonly name: string;
  /** Of the rows' first weight; [rows, columns] f32. */
  readonly address: bigint;
  readonly rows: number;
  readonly columns: number;
  readonly columnNorms: Float32Array | undefined;
}

interface Chunk {
  readonly rows: number;
  readonly elements: number;
  readonly weights: number;
  readonly scores: number;
  /** The chunk's weights in native memory. */
  readonly native: Float32Array;
}

async function forEachChunk(
  args: ScoredRows,
  visit: (kernels: Kernels, chunk: Chunk) => void,
): Promise<void> {
  const { address, rows, columns, columnNorms } = args;
  const kernels = freshKernels();
  const score = scoreByName(args.score);
  const step = Math.min(rows, Math.max(1, Math.floor(CHUNK_ELEMENTS / columns)));
  const weights = kernels.arena.allocate(step * columns * 4);
  const scores = kernels.arena.allocate(step * columns * 4);
  const norms = kernels.arena.allocate(columns * 4);
  if (columnNorms) kernels.f32(norms, columns).set(columnNorms);
  for (let first = 0; first < rows; first += step) {
    const count = Math.min(step, rows - first);
    const elements = count * columns;
    const native = float32View(address + BigInt(first * columns * 4), elements);
    kernels.f32(weights, elements).set(native);
    score.compute(kernels, { weights, scores, rows: count, columns, columnNorms: norms });
    const bad = kernels.firstNonFinite(scores, elements);
    if (bad >= 0) throw new RunError(`${args.name}: the ${args.score} score isn't finite`);
    visit(kernels, { rows: count, elements, weights, scores, native });
  }
}

function applyMask(kernels: Kernels, chunk: Chunk, mask: number): void {
  kernels.applyMask(chunk.weights, mask, chunk.elements);
  chunk.native.set(kernels.f32(chunk.weights, chunk.elements));
}

export interface RowMaskArguments extends ScoredRows {
  /** Zeros in every row, or kept weights of every `of` consecutive ones. */
  readonly choice: { readonly zeros: number } | { readonly keep: number; readonly of: number };
}

/** Zeroes the weights with the smallest scores of every row, or of every group of a row. */
export async function maskRows(args: RowMaskArguments): Promise<void> {
  const { choice, columns } = args;
  await forEachChunk(args, (kernels, chunk) => {
    const mask = kernels.arena.allocate(chunk.elements);
    if ('zeros' in choice) kernels.selectSmallestRows(chunk.scores, chunk.rows, columns, choice.zeros, mask);
    else kernels.selectNofM(chunk.scores, chunk.rows, columns, choice.keep, choice.of, mask);
    applyMask(kernels, chunk, mask);
  });
}

/** Values that the high or the low half of a score's bits can take. */
export const HISTOGRAM_BINS = 65_536;

export interface HistogramArguments extends ScoredRows {
  /** Left out: count by the high 16 bits. Given: by the low 16 bits of the scores with these high bits. */
  readonly high?: number;
}

/** How many scores have each value of the high (or low) half of their bits, [HISTOGRAM_BINS]. */
export async function scoreHistogram(args: HistogramArguments): Promise<Uint32Array> {
  const total = new Uint32Array(HISTOGRAM_BINS);
  await forEachChunk(args, (kernels, chunk) => {
    const histogram = kernels.arena.allocate(HISTOGRAM_BINS * 4);
    const counts = kernels.u32(histogram, HISTOGRAM_BINS);
    counts.fill(0);
    if (args.high === undefined) kernels.histogramHigh(chunk.scores, chunk.elements, histogram);
    else kernels.histogramLow(chunk.scores, chunk.elements, args.high, histogram);
    for (let bin = 0; bin < HISTOGRAM_BINS; bin++)
      total[bin] = (total[bin] as number) + (counts[bin] as number);
  });
  return total;
}

export interface ThresholdArguments extends ScoredRows {
  /** Bits of the score below which every weight goes. */
  readonly threshold: number;
  /** Of the weights whose score is exactly the threshold, how many go, from the first. */
  readonly ties: number;
}

/** Zeroes the weights below a threshold and the first `ties` of those on it. */
export async function maskBelow(args: ThresholdArguments): Promise<void> {
  let ties = args.ties;
  await forEachChunk(args, (kernels, chunk) => {
    const mask = kernels.arena.allocate(chunk.elements);
    ties -= kernels.thresholdMask(chunk.scores, chunk.elements, args.threshold, ties, mask);
    applyMask(kernels, chunk, mask);
  });
}
