/**
 * Worker tasks: Thanos on some rows of one matrix (Ilin & Richtárik 2025, arXiv 2504.05346).
 *
 * All blocks that are still to come are kept up to date, since masks depend on all of them. Each lies by itself, its columns
 * in reversed order as they are in the factor: then what a block owes a later one is one product of contiguous matrices.
 * @module
 */
import { RunError } from '../errors.js';
import { gemm } from '../runtime/gemm.js';
import type { Kernels } from '../runtime/kernels.js';
import { rowsWithin } from '../runtime/parts.js';
import { arrayTensor, type TensorRef } from '../runtime/tensor-ref.js';
import { freshKernels } from '../runtime/worker-kernels.js';
import { type Histogram, histogramOf } from '../sparsity/score-mask-task.js';
import { float32View } from '../system/native-memory.js';
import type { BlockStep, ColumnBlock } from './column-blocks.js';
import { requireFiniteScores } from './require-finite-scores.js';
import type { FactoredColumns } from './solve-in-blocks.js';

/** Elements scored at a time; whole rows, at least one. */
const CHUNK_ELEMENTS = 32_768;

/** Rows of one matrix, and the factor of its inputs. */
export interface ThanosRows extends Omit<FactoredColumns, 'order'> {
  /** Of the linear, for messages. */
  readonly name: string;
  /** Of the rows' first weight; [rows, columns] f32, pruned in place block by block. */
  readonly weights: bigint;
  readonly rows: number;
  readonly columns: number;
  /** The weights up to date, block after block, each [rows, block columns] f32 with its columns in reversed order. */
  readonly state: bigint;
  /** √H_jj, [columns] */
  readonly norms: Float32Array;
  /** Whether weights that are zero are part of every mask. */
  readonly keepZeros: boolean;
}

/** Which weights of a block go. */
export type ThanosMask =
  /** Scores below a threshold (its bits), and the first `ties` on it. */
  | { readonly kind: 'threshold'; readonly threshold: number; readonly ties: number }
  /** All but `keep` of every `of` consecutive columns. */
  | { readonly kind: 'n:m'; readonly keep: number; readonly of: number };

/** Copies the rows into the state, those of dead inputs as zeros, which are the first to go. */
export function startState(args: ThanosRows): void {
  const { rows, columns, steps, dead } = args;
  const weights = float32View(args.weights, rows * columns);
  for (const { block } of steps) {
    const { first, width } = block;
    const target = stateOf(args, block);
    for (let row = 0, i = 0; row < rows; row++) {
      const last = row * columns + first + width - 1;
      for (let c = 0; c < width; c++, i++) {
        target[i] = dead[first + width - 1 - c] === 1 ? 0 : (weights[last - c] as number);
      }
    }
  }
}

export interface RemainingArguments extends ThanosRows {
  /** Index of the first block that is still to be pruned. */
  readonly from: number;
  /** Left out: count by the high 16 bits. Given: by the low 16 bits of the scores with these high bits. */
  readonly high?: number | undefined;
}

/** Counts the scores of all blocks that are still to be pruned. */
export function remainingHistogram(args: RemainingArguments): Histogram {
  const kernels = freshKernels();
  return histogramOf(kernels, args.high, (count) => {
    for (const { block } of args.steps.slice(args.from)) {
      const { width } = block;
      const step = rowsWithin(CHUNK_ELEMENTS, width);
      kernels.arena.borrow(0, () => {
        const room = scoreRoom(kernels, args, block, Math.min(step, args.rows));
        for (let row = 0; row < args.rows; row += step) {
          const elements = Math.min(step, args.rows - row) * width;
          score(kernels, args, block, room, row, elements);
          count(room.scores, elements);
        }
      });
    }
  });
}

export interface RemoveArguments extends ThanosRows {
  /** Index of the block. */
  readonly index: number;
  readonly mask: ThanosMask;
}

/** What removing weights of a block came to. */
export interface Removal {
  readonly zeros: number;
  /** Its part of ½·tr(ΔHΔᵀ). */
  readonly loss: number;
}

/** Prunes a block that is up to date, and brings those after it up to date. */
export function removeFromBlock(args: RemoveArguments): Removal {
  const { rows, index, mask: choice, keepZeros } = args;
  const step = args.steps[index] as BlockStep;
  const { block } = step;
  const { width } = block;
  const elements = rows * width;
  const kernels = freshKernels();
  const room = scoreRoom(kernels, args, block, rows);
  const { arena } = kernels;
  const mask = arena.allocate(elements);
  const factor = arena.allocate(width * width * 4);
  const gram = arena.allocate(width * width * 8);
  const multipliers = arena.allocate(elements * 4);
  const errors = arena.allocate(elements * 4);
  const losses = arena.allocate(rows * 8);

  score(kernels, args, block, room, 0, elements);
  if (choice.kind === 'n:m') {
    kernels.selectNofM(room.scores, rows, width, choice.keep, choice.of, mask);
  } else {
    kernels.thresholdMask(room.scores, elements, choice.threshold, choice.ties, mask);
  }
  if (keepZeros) kernels.addMarks(mask, room.marks, elements);

  const head = float32View(args.factor + BigInt(step.strip.offset * 4), width * width);
  kernels.f32(factor, width * width).set(head);
  kernels.f32(factor, width * width).reverse();
  kernels.upperGram(factor, gram, width);
  kernels.f64(losses, rows).fill(0);
  const failed = kernels.solveJointly(room.weights, mask, gram, multipliers, losses, rows, width);
  if (failed >= 0) {
    throw new RunError(
      `${args.name}: the weights of a row that go together have no unique multipliers; ` +
        'more calibration tokens or prune.options.damping would help',
    );
  }

  const tensorAt = (place: number, shape: readonly [number, number]) =>
    arrayTensor(kernels.f32(place, shape[0] * shape[1]), shape);
  const u = tensorAt(factor, [width, width]);
  const error = tensorAt(errors, [rows, width]);
  gemm(tensorAt(multipliers, [rows, width]), u, error, { transposeB: true });
  gemm(error, u, tensorAt(room.weights, [rows, width]), { alpha: -1, accumulate: true });
  kernels.applyMask(room.weights, mask, elements);
  storeBlock(kernels, args, block, room.weights, mask);
  reverseRows(kernels.f32(errors, elements), width);
  for (const later of args.steps.slice(index + 1)) settleDebt(args, step, later, error);
  const zeros = kernels.u8(mask, elements).reduce((sum, value) => sum + value, 0);
  const loss = kernels.f64(losses, rows).reduce((sum, value) => sum + value, 0);
  return { zeros, loss };
}

export interface RemoveAllArguments extends ThanosRows {
  readonly mask: ThanosMask;
}

/** Prunes all blocks of rows whose masks depend on no other rows. Returns ½·tr(ΔHΔᵀ). */
export function removeFromAll(args: RemoveAllArguments): number {
  startState(args);
  let loss = 0;
  for (const index of args.steps.keys()) loss += removeFromBlock({ ...args, index }).loss;
  return loss;
}

/** Places in the kernels' memory for rows of a block, columns in their own order. */
interface ScoreRoom {
  readonly weights: number;
  readonly scores: number;
  /** 1 where a weight is zero and stays so. */
  readonly marks: number;
  readonly norms: number;
}

function scoreRoom(
  kernels: Kernels,
  args: ThanosRows,
  { first, width }: ColumnBlock,
  rows: number,
): ScoreRoom {
  const { arena } = kernels;
  const room = {
    weights: arena.allocate(rows * width * 4),
    scores: arena.allocate(rows * width * 4),
    marks: arena.allocate(rows * width),
    norms: arena.allocate(width * 4),
  };
  kernels.f32(room.norms, width).set(args.norms.subarray(first, first + width));
  return room;
}

/** Loads rows of a block from the state and scores them by |w_ij|·√H_jj. */
function score(
  kernels: Kernels,
  args: ThanosRows,
  block: ColumnBlock,
  room: ScoreRoom,
  row: number,
  elements: number,
): void {
  const { first, width } = block;
  const { weights, scores, marks, norms } = room;
  if (args.keepZeros) {
    // What is still to be pruned is in the matrix as it was.
    const source = float32View(args.weights, args.rows * args.columns);
    const values = kernels.f32(weights, elements);
    for (let i = 0, at = row; i < elements; i += width, at++) {
      const start = at * args.columns + first;
      values.set(source.subarray(start, start + width), i);
    }
    kernels.markZeros(weights, elements, marks);
  }
  const values = kernels.f32(weights, elements);
  values.set(stateOf(args, block).subarray(row * width, row * width + elements));
  reverseRows(values, width);
  kernels.scaledAbsScores(weights, norms, scores, elements / width, width);
  requireFiniteScores(kernels, scores, elements, args.name);
  if (args.keepZeros) kernels.rankMarkedFirst(scores, marks, elements);
}

/** A block's part of the state, [rows, block columns]. */
function stateOf({ state, rows }: ThanosRows, { first, width }: ColumnBlock): Float32Array {
  return float32View(state + BigInt(first * rows * 4), rows * width);
}

/** Into the matrix; what is left of dead inputs is there as it was. */
function storeBlock(
  kernels: Kernels,
  args: ThanosRows,
  { first, width }: ColumnBlock,
  place: number,
  mask: number,
): void {
  const { rows, columns, dead } = args;
  const values = kernels.f32(place, rows * width);
  const goes = kernels.u8(mask, rows * width);
  const weights = float32View(args.weights, rows * columns);
  for (let c = 0; c < width; c++) {
    if (!dead[first + c]) continue;
    for (let row = 0, i = c; row < rows; row++, i += width)
      if (goes[i] === 0) values[i] = weights[row * columns + first + c] as number;
  }
  for (let row = 0; row < rows; row++) {
    weights.set(values.subarray(row * width, (row + 1) * width), row * columns + first);
  }
}

function reverseRows(values: Float32Array, width: number): void {
  for (let i = 0; i < values.length; i += width) values.subarray(i, i + width).reverse();
}

/** Subtracts from a later block what the errors of a block owe it. @param errors [rows, block columns], columns reversed */
function settleDebt(
  { factor, state, rows }: ThanosRows,
  { block, strip }: BlockStep,
  later: BlockStep,
  errors: TensorRef,
): void {
  const { first, width } = later.block;
  const start = later.strip.offset + (strip.first - later.strip.first) * width;
  gemm(
    errors,
    { address: factor + BigInt(start * 4), shape: [block.width, width] },
    { address: state + BigInt(first * rows * 4), shape: [rows, width] },
    { alpha: -1, accumulate: true },
  );
}
