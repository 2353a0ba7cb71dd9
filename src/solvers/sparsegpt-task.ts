/**
 * Worker tasks: SparseGPT on some rows of one matrix (Frantar & Alistarh 2023, arXiv 2301.00774).
 *
 * Rows don't meet once the factor is known, except that an unstructured mask is chosen over all rows of a
 * column block. The errors of the columns done so far are kept, in reversed column order, so that what they
 * owe the next block is one matrix product with a contiguous slab of the factor.
 * @module
 */
import { gemm } from '../runtime/gemm.js';
import type { Kernels } from '../runtime/kernels.js';
import { scratch } from '../runtime/scratch.js';
import { arrayTensor } from '../runtime/tensor-ref.js';
import { freshKernels } from '../runtime/worker-kernels.js';
import { bytesView, float32View } from '../system/native-memory.js';
import { blockQuotas } from './block-quotas.js';
import type { BlockStep } from './column-blocks.js';
import { requireFiniteScores } from './require-finite-scores.js';
import type { FactoredColumns } from './solve-in-blocks.js';

/** Rows of one matrix, and the factor of its inputs. */
export interface SolveRows extends Omit<FactoredColumns, 'steps'> {
  /** Of the matrix. */
  readonly name: string;
  /** Of the rows' first weight; [rows, columns] f32, pruned in place. */
  readonly weights: bigint;
  readonly rows: number;
  readonly columns: number;
  /** Errors so far, [columns, rows] f32 in reversed column order. */
  readonly errors: bigint;
  /** Whether weights that are zero are part of every mask. */
  readonly keepZeros: boolean;
}

/** How a block's mask is chosen. */
export type MaskChoice =
  /** The `zeros` smallest of the block's scores. */
  | { readonly kind: 'smallest'; readonly zeros: number }
  /** The `zeros` smallest of every row's scores. Where zeros are kept, the row's blocks share them by `blockQuotas`. */
  | { readonly kind: 'rows'; readonly zeros: number }
  /** Per row, `keep` of every `of` columns, at the group's first column. */
  | { readonly kind: 'n:m'; readonly keep: number; readonly of: number };

export interface SolveArguments extends SolveRows {
  readonly steps: readonly (BlockStep & { readonly choice: MaskChoice })[];
}

/** All blocks of rows whose masks depend on no other rows. Returns the predicted loss ½·tr(ΔHΔᵀ). */
export function solveRows(args: SolveArguments): number {
  const { steps } = args;
  const quotas = steps.some(({ choice }) => choice.kind === 'rows') ? rowQuotas(args) : [];
  let loss = 0;
  for (const [index, step] of steps.entries()) {
    const state = openBlock(args, step);
    bringUpToDate(args, step, state);
    const { choice } = step;
    if (choice.kind !== 'n:m') score(args, state);
    if (choice.kind === 'smallest') {
      state.kernels.selectSmallest(state.scores, state.elements, choice.zeros, state.mask);
    } else if (choice.kind === 'rows') {
      chooseInRows(
        state,
        quotas.map((row) => row[index] as number),
      );
    }
    loss += update(args, step, state, choice);
  }
  return loss;
}

/** How many weights every row loses in each block, [rows][blocks]. */
function rowQuotas(args: SolveArguments): number[][] {
  const shares = args.steps.map(({ choice }) => (choice.kind === 'rows' ? choice.zeros : 0));
  if (!args.keepZeros) return Array.from({ length: args.rows }, () => shares);
  return countRowZeros(args, args.steps).map((existing) => blockQuotas(shares, existing));
}

/** Zeros of every row in each block, [rows][blocks]. */
function countRowZeros(
  { weights, rows, columns, order }: SolveRows,
  steps: readonly BlockStep[],
): number[][] {
  const values = float32View(weights, rows * columns);
  return Array.from({ length: rows }, (_, row) =>
    steps.map(({ block }) => {
      let zeros = 0;
      for (let place = block.first; place < block.first + block.width; place++) {
        if (values[row * columns + (order[place] as number)] === 0) zeros++;
      }
      return zeros;
    }),
  );
}

export interface CountArguments extends SolveRows {
  readonly steps: readonly BlockStep[];
}

/** Zeros of the rows in each block, [blocks]. */
export function countBlockZeros(args: CountArguments): number[] {
  const rows = countRowZeros(args, args.steps);
  return args.steps.map((_, index) => rows.reduce((sum, row) => sum + (row[index] as number), 0));
}

/** Marks the smallest scores of every row of a block, as many as each row's quota. */
function chooseInRows(
  { kernels, scores, mask, errors, width, rows, elements }: BlockState,
  quotas: readonly number[],
): void {
  // Errors are written later.
  kernels.transpose(scores, errors, width, rows);
  const chosen = kernels.arena.allocate(width);
  const own = kernels.u8(chosen, width);
  const target = kernels.u8(mask, elements);
  for (let row = 0; row < rows; row++) {
    kernels.selectSmallest(errors + row * width * 4, width, quotas[row] as number, chosen);
    for (let c = 0; c < width; c++) target[c * rows + row] = own[c] as number;
  }
}

export interface StepArguments extends SolveRows {
  readonly step: BlockStep;
  /** The rows' part of the block's scores, f32 [block columns, rows]. */
  readonly scores: bigint;
  /** The rows' part of the block's mask, bytes in the same order. */
  readonly mask: bigint;
}

/** Brings a block up to date with the errors before it, leaves it where its errors will go, and writes its scores. */
export function scoreBlock(args: StepArguments): void {
  const state = openBlock(args, args.step);
  const { kernels, elements } = state;
  bringUpToDate(args, args.step, state);
  blockErrors(args, args.step).set(kernels.f32(state.slab, elements));
  score(args, state);
  float32View(args.scores, elements).set(kernels.f32(state.scores, elements));
}

/** Prunes a scored block by the mask that was chosen. Returns its part of the predicted loss. */
export function updateBlock(args: StepArguments): number {
  const state = openBlock(args, args.step);
  const { kernels, elements } = state;
  kernels.f32(state.slab, elements).set(blockErrors(args, args.step));
  kernels.u8(state.mask, elements).set(bytesView(args.mask, elements));
  return update(args, args.step, state, undefined);
}

export interface ChooseArguments {
  readonly scores: bigint;
  readonly mask: bigint;
  readonly elements: number;
  readonly zeros: number;
}

/** Marks the `zeros` smallest of a block's scores over all rows; ties by place. */
export function chooseMask({ scores, mask, elements, zeros }: ChooseArguments): void {
  const kernels = freshKernels();
  const source = kernels.arena.allocate(elements * 4);
  const target = kernels.arena.allocate(elements);
  kernels.f32(source, elements).set(float32View(scores, elements));
  kernels.selectSmallest(source, elements, zeros, target);
  bytesView(mask, elements).set(kernels.u8(target, elements));
}

/** One block of rows in the kernels' memory. */
interface BlockState {
  readonly kernels: Kernels;
  readonly width: number;
  readonly rows: number;
  readonly elements: number;
  /** [width, rows], up to date */
  readonly slab: number;
  /** The factor's diagonal block U, [width, width] row-major */
  readonly factor: number;
  readonly scores: number;
  /** First what goes whatever its score, then the block's mask. */
  readonly mask: number;
  readonly errors: number;
}

/** Makes room for a block and loads its part of the factor. */
function openBlock(args: SolveRows, { block, strip }: BlockStep): BlockState {
  const { rows } = args;
  const { width } = block;
  const elements = width * rows;
  const kernels = freshKernels();
  const state: BlockState = {
    kernels,
    width,
    rows,
    elements,
    slab: kernels.arena.allocate(elements * 4),
    factor: kernels.arena.allocate(width * width * 4),
    scores: kernels.arena.allocate(elements * 4),
    mask: kernels.arena.allocate(elements),
    errors: kernels.arena.allocate(elements * 4),
  };
  const head = float32View(args.factor + BigInt(strip.offset * 4), width * width);
  const diagonal = kernels.f32(state.factor, width * width);
  for (let i = 0; i < width * width; i++) diagonal[i] = head[width * width - 1 - i] as number;
  return state;
}

/**
 * Loads the block's columns of the weights, marks in the mask those of them that are zero and stay so, and subtracts what the
 * errors of the columns before them owe.
 */
function bringUpToDate(args: SolveRows, { block, strip }: BlockStep, state: BlockState): void {
  const { columns, order, dead } = args;
  const { kernels, width, rows, elements } = state;
  const weights = float32View(args.weights, rows * columns);
  const gathered = kernels.f32(state.scores, elements);
  const places = order.subarray(block.first, block.first + width);
  const start = firstOfRun(places);
  for (let row = 0, i = 0; row < rows; row++) {
    const before = row * columns;
    if (start >= 0) gathered.set(weights.subarray(before + start, before + start + width), row * width);
    else for (let c = 0; c < width; c++, i++) gathered[i] = weights[before + (places[c] as number)] as number;
  }
  kernels.transpose(state.scores, state.slab, rows, width);
  const slab = kernels.f32(state.slab, elements);
  if (args.keepZeros) kernels.markZeros(state.slab, elements, state.mask);
  else kernels.u8(state.mask, elements).fill(0);
  // For their scores: those that stay get their values again.
  for (let c = 0; c < width; c++) if (dead[block.first + c]) slab.fill(0, c * rows, (c + 1) * rows);

  const done = strip.rows - width;
  if (done === 0) return;
  const owed = scratch('owed', elements);
  const below = args.factor + BigInt((strip.offset + width * width) * 4);
  const errors = args.errors + BigInt((strip.first + width) * rows * 4);
  gemm(
    { address: below, shape: [done, width] },
    { address: errors, shape: [done, rows] },
    arrayTensor(owed, [width, rows]),
    { transposeA: true },
  );
  for (let c = 0; c < width; c++) {
    const from = (width - 1 - c) * rows;
    const to = c * rows;
    for (let row = 0; row < rows; row++)
      slab[to + row] = (slab[to + row] as number) - (owed[from + row] as number);
  }
}

/** Where a block's errors lie, [block columns, rows]. */
function blockErrors(args: SolveRows, { block, strip }: BlockStep): Float32Array {
  return float32View(args.errors + BigInt(strip.first * args.rows * 4), block.width * args.rows);
}

function score(
  { name, keepZeros }: SolveRows,
  { kernels, width, rows, elements, slab, factor, scores, mask }: BlockState,
): void {
  // The allocation may detach earlier views.
  const inverse = kernels.arena.allocate(width * 4);
  const u = kernels.f32(factor, width * width);
  kernels
    .f32(inverse, width)
    .set(Float32Array.from({ length: width }, (_, c) => 1 / (u[c * width + c] as number)));
  kernels.obsScores(slab, inverse, scores, width, rows);
  requireFiniteScores(kernels, scores, elements, name);
  if (keepZeros) kernels.rankMarkedFirst(scores, mask, elements);
}

function update(args: SolveRows, step: BlockStep, state: BlockState, choice: MaskChoice | undefined): number {
  const { block } = step;
  const { kernels, width, rows, elements, slab, factor, mask, errors, scores } = state;
  const { columns } = args;
  const losses = kernels.arena.allocate(rows * 8);
  kernels.f64(losses, rows).fill(0);
  if (choice?.kind === 'n:m') {
    kernels.obsBlockNofM(slab, factor, errors, losses, mask, width, rows, choice.keep, choice.of);
  } else {
    kernels.obsBlockMasked(slab, factor, mask, errors, losses, width, rows);
  }

  const native = blockErrors(args, step);
  const computed = kernels.f32(errors, elements);
  for (let c = 0; c < width; c++) {
    native.set(computed.subarray(c * rows, (c + 1) * rows), (width - 1 - c) * rows);
  }
  const weights = float32View(args.weights, rows * columns);
  const places = args.order.subarray(block.first, block.first + width);
  const updated = kernels.f32(slab, elements);
  const goes = kernels.u8(mask, elements);
  for (let c = 0; c < width; c++) {
    if (!args.dead[block.first + c]) continue;
    for (let row = 0, i = c * rows; row < rows; row++, i++)
      if (goes[i] === 0) updated[i] = weights[row * columns + (places[c] as number)] as number;
  }
  kernels.transpose(slab, scores, width, rows);
  const pruned = kernels.f32(scores, elements);
  const start = firstOfRun(places);
  for (let row = 0, i = 0; row < rows; row++) {
    const before = row * columns;
    if (start >= 0) weights.set(pruned.subarray(row * width, (row + 1) * width), before + start);
    else for (let c = 0; c < width; c++, i++) weights[before + (places[c] as number)] = pruned[i] as number;
  }
  return kernels.f64(losses, rows).reduce((sum, loss) => sum + loss, 0);
}

/** The first of columns that follow one another, which can be copied at once; −1 where they don't. */
function firstOfRun(columns: Uint32Array): number {
  const first = columns[0] as number;
  return columns.every((column, index) => column === first + index) ? first : -1;
}
