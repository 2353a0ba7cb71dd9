/**
 * Worker tasks: steps of the alternating direction method of multipliers on rows of a linear.
 * @module
 */

import { gemm } from '../runtime/gemm.js';
import type { Kernels } from '../runtime/kernels.js';
import { rowsWithin } from '../runtime/parts.js';
import { arrayTensor } from '../runtime/tensor-ref.js';
import { freshKernels } from '../runtime/worker-kernels.js';
import { bytesView, float32View } from '../system/native-memory.js';

/** Elements that a mask is chosen for at a time; whole rows, at least one. */
const CHUNK_ELEMENTS = 32_768;

/** Above every score. */
const LARGEST = 3e38;

/** Some rows of a linear. Scaled weights are w_ij·√H_jj. */
export interface AdmmRows {
  readonly rows: number;
  readonly columns: number;
  /** W, [rows, columns] f32 */
  readonly weights: bigint;
  /** W·H of the dense weights, [rows, columns] f32 */
  readonly target: bigint;
  /** Scaled weights and multipliers in one: what the mask is chosen by, [rows, columns] f32. */
  readonly state: bigint;
  /** The mask that was compared last, 1 where pruned, [rows, columns] bytes. */
  readonly support: bigint;
  /** 1 where a weight is pruned whatever it becomes, [rows, columns] bytes; nothing is when left out. */
  readonly zeros?: bigint | undefined;
  /** √H_jj, [columns] */
  readonly scales: Float32Array;
}

/** Which of the state's elements are pruned: the smallest ones. */
export type StateMask =
  /** Below a threshold (its bits), and the first `ties` on it. */
  | { readonly kind: 'threshold'; readonly threshold: number; readonly ties: number }
  /** Those that the pattern doesn't keep; with `below` only those of them that lie below that threshold. */
  | { readonly kind: 'n:m'; readonly keep: number; readonly of: number; readonly below?: number | undefined }
  /** As compared last. */
  | { readonly kind: 'support' };

/** Lets the state begin with the scaled weights, without multipliers. */
export function startState({ rows, columns, weights, state, scales }: AdmmRows): void {
  const from = float32View(weights, rows * columns);
  const to = float32View(state, rows * columns);
  for (let row = 0, i = 0; row < rows; row++) {
    for (let j = 0; j < columns; j++, i++) to[i] = (from[i] as number) * (scales[j] as number);
  }
}

export interface MaskArguments extends AdmmRows {
  readonly mask: StateMask;
}

export interface ZeroArguments extends Pick<AdmmRows, 'rows' | 'columns' | 'weights'> {
  /** [rows, columns] bytes */
  readonly marks: bigint;
}

/** Marks the zeros among the weights. */
export function markZeros({ rows, columns, weights, marks }: ZeroArguments): void {
  bytesView(marks, rows * columns).set(
    Uint8Array.from(float32View(weights, rows * columns), (value) => (value === 0 ? 1 : 0)),
  );
}

/** Makes the marked weights 0. */
export function zeroMarked({ rows, columns, weights, marks }: ZeroArguments): void {
  const values = float32View(weights, rows * columns);
  for (const [i, mark] of bytesView(marks, rows * columns).entries()) if (mark === 1) values[i] = 0;
}

/** Writes to the weights' place what the state's mask is chosen by, with what it keeps above all others. */
export function candidateScores(args: MaskArguments): void {
  const state = float32View(args.state, args.rows * args.columns);
  const scores = float32View(args.weights, args.rows * args.columns);
  const kernels = freshKernels();
  forEachMask(kernels, maskRoom(kernels, args), args, (mask, first) => {
    for (let k = 0, i = first; k < mask.length; k++, i++) {
      scores[i] = mask[k] === 1 ? Math.abs(state[i] as number) : LARGEST;
    }
  });
}

/** Makes the state's mask the support. Returns in how many places it is another than before. */
export function updateSupport(args: MaskArguments): number {
  const support = bytesView(args.support, args.rows * args.columns);
  let changed = 0;
  const kernels = freshKernels();
  forEachMask(kernels, maskRoom(kernels, args), args, (mask, first) => {
    for (let i = 0; i < mask.length; i++) {
      const value = mask[i] as number;
      changed += value ^ (support[first + i] as number);
      support[first + i] = value;
    }
  });
  return changed;
}

/** How many weights that aren't zero the support prunes. */
export function countRemoved({ rows, columns, weights, support }: AdmmRows): number {
  const values = float32View(weights, rows * columns);
  return bytesView(support, rows * columns).reduce(
    (count, pruned, i) => (pruned === 1 && values[i] !== 0 ? count + 1 : count),
    0,
  );
}

export interface StepArguments extends MaskArguments {
  /** (H + ρ·diag(H))⁻¹, full [columns, columns] f32. */
  readonly inverse: bigint;
  readonly rho: number;
  /** ρ of the step before; 0 at the first, which has no multipliers yet. */
  readonly previousRho: number;
  /** Whether the weights become those of this step. */
  readonly keepWeights: boolean;
}

/**
 * One step: with A the state, m its mask (1 where kept) and V = ρ₀·A·(1−m) the multipliers,
 * W = (W₀·H + √H_jj·(ρ·A·m − V))·(H + ρ·diag(H))⁻¹, and A becomes W·√H_jj + V/ρ.
 * The scaled form of W = (H+ρI)⁻¹·(H·W₀ − V + ρ·D) in Meng et al. 2024 (arXiv 2406.07831), where D = A·m.
 */
export function admmStep(args: StepArguments): void {
  const { rows, columns, inverse, rho, previousRho } = args;
  const size = rows * columns;
  const kernels = freshKernels();
  const { arena } = kernels;
  const [state, right, solved] = Array.from({ length: 3 }, () => arena.allocate(size * 4)) as [
    number,
    number,
    number,
  ];
  const mask = arena.allocate(size);
  const scales = arena.allocate(columns * 4);
  const room = maskRoom(kernels, args);
  kernels.f32(state, size).set(float32View(args.state, size));
  // The result of the product is not needed yet.
  kernels.f32(solved, size).set(float32View(args.target, size));
  kernels.f32(scales, columns).set(args.scales);
  forEachMask(kernels, room, args, (chunk, first) => kernels.u8(mask, size).set(chunk, first));
  const factors = { kept: rho, pruned: -previousRho, ratio: previousRho / rho };
  kernels.admmRight(state, solved, mask, scales, right, rows, columns, factors);
  const shape = [rows, columns];
  gemm(
    arrayTensor(kernels.f32(right, size), shape),
    { address: inverse, shape: [columns, columns] },
    arrayTensor(kernels.f32(solved, size), shape),
  );
  kernels.addScaled(state, solved, scales, rows, columns);
  float32View(args.state, size).set(kernels.f32(state, size));
  if (args.keepWeights) float32View(args.weights, size).set(kernels.f32(solved, size));
}

/** Makes the weights what the state holds, pruned by its mask. */
export function finishState(args: MaskArguments): void {
  const { rows, columns, scales } = args;
  const state = float32View(args.state, rows * columns);
  const weights = float32View(args.weights, rows * columns);
  const kernels = freshKernels();
  forEachMask(kernels, maskRoom(kernels, args), args, (mask, first) => {
    for (let k = 0, j = 0, i = first; k < mask.length; k++, i++) {
      weights[i] = mask[k] === 1 ? 0 : (state[i] as number) / (scales[j] as number);
      if (++j === columns) j = 0;
    }
  });
}

/** Places for the mask of whole rows. */
interface MaskRoom {
  readonly rows: number;
  readonly values: number;
  readonly scores: number;
  readonly chosen: number;
  readonly below: number;
  readonly marks: number;
}

function maskRoom({ arena }: Kernels, { rows, columns }: AdmmRows): MaskRoom {
  const step = Math.min(rows, rowsWithin(CHUNK_ELEMENTS, columns));
  const elements = step * columns;
  return {
    rows: step,
    values: arena.allocate(elements * 4),
    scores: arena.allocate(elements * 4),
    chosen: arena.allocate(elements),
    below: arena.allocate(elements),
    marks: arena.allocate(elements),
  };
}

/** Gives the mask of whole rows at a time, and the index of its first element. */
function forEachMask(
  kernels: Kernels,
  room: MaskRoom,
  args: MaskArguments,
  use: (mask: Uint8Array, first: number) => void,
): void {
  const { rows, columns, mask } = args;
  if (mask.kind === 'support') {
    use(bytesView(args.support, rows * columns), 0);
    return;
  }
  const { values, scores, chosen, below, marks } = room;
  const state = float32View(args.state, rows * columns);
  let ties = mask.kind === 'threshold' ? mask.ties : 0;
  for (let row = 0; row < rows; row += room.rows) {
    const count = Math.min(room.rows, rows - row);
    const elements = count * columns;
    const first = row * columns;
    kernels.f32(values, elements).set(state.subarray(first, first + elements));
    kernels.absScores(values, scores, elements);
    if (args.zeros !== undefined) {
      kernels.u8(marks, elements).set(bytesView(args.zeros + BigInt(first), elements));
      kernels.rankMarkedFirst(scores, marks, elements);
    }
    if (mask.kind === 'n:m') {
      kernels.selectNofM(scores, count, columns, mask.keep, mask.of, chosen);
      if (mask.below !== undefined) {
        kernels.thresholdMask(scores, elements, mask.below, 0, below);
        const both = kernels.u8(chosen, elements);
        kernels.u8(below, elements).forEach((value, i) => {
          both[i] = (both[i] as number) & value;
        });
      }
    } else ties -= kernels.thresholdMask(scores, elements, mask.threshold, ties, chosen);
    if (args.zeros !== undefined) kernels.addMarks(chosen, marks, elements);
    use(kernels.u8(chosen, elements), first);
  }
}
