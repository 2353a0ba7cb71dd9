/**
 * The best weights for a mask: survivors fitted to the dense outputs, row by row, from the Gram matrix.
 * @module
 */
import { equalParts } from '../runtime/parts.js';
import type { TensorRef } from '../runtime/tensor-ref.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import type { GramRef } from '../statistics/group-statistics.js';
import { allocateNative, freeNative } from '../system/native-memory.js';
import { FullHessian } from './full-hessian.js';
import { dampedDiagonal } from './hessian-diagonal.js';
import { type FittedRows, fitRows, hessianProduct } from './least-squares-task.js';
import { eachMatrix, type MaskedMatrix, type SolveOutcome } from './solvable.js';

/** Rows of one task. */
const TASK_ROWS = 512;

const TASKS = 'solvers/least-squares-task';

export interface LeastSquaresOptions {
  /** λ as a fraction of the mean of the Hessian's diagonal. */
  readonly damping: number;
  /** Most steps of the conjugate gradients. */
  readonly iterations: number;
}

/** Of a task, for each weight of its rows: five of `fitRows`, and the product of `hessianProduct`. */
const TASK_VALUES = 5 + 1;

/** f32 bytes that a worker keeps of the largest task for a linear, until it ends. */
export function fitTaskBytes(linear: { readonly out: number; readonly in: number }): number {
  return TASK_VALUES * Math.min(linear.out, TASK_ROWS) * linear.in * 4;
}

/** f32 bytes of the matrix of a group's inputs, of each linear's target, and of what a worker keeps of a task. */
export function leastSquaresBytes(
  size: number,
  linears: readonly { readonly out: number; readonly in: number }[],
): { readonly group: number; readonly linears: readonly number[]; readonly worker: number } {
  return {
    group: size * size * 4,
    linears: linears.map((linear) => linear.out * linear.in * 4),
    worker: Math.max(0, ...linears.map(fitTaskBytes)),
  };
}

/** How much smaller than at the start a row's residual becomes at most. */
const TOLERANCE = 1e-4;

/**
 * Minimises tr((W−Ŵ)·H·(W−Ŵ)ᵀ), H = (2/tokens)·XᵀX + λI, over the survivors of every matrix. Where a weight isn't
 * pruned but zero it stays zero. Without damping no start has a smaller output error on the calibration activations than
 * the result; with damping that holds for survivors that start with their dense values.
 *
 * @param oneLinear whether matrices are fitted one after the other, which takes less memory
 */
export async function refitSurvivors(
  pool: WorkerPool,
  gram: GramRef,
  matrices: readonly MaskedMatrix[],
  options: LeastSquaresOptions,
  oneLinear = false,
): Promise<Map<string, SolveOutcome>> {
  const { diagonal } = dampedDiagonal(gram, options.damping, 1);
  const hessian = new FullHessian(pool, gram);
  try {
    await hessian.fill(diagonal);
    return await eachMatrix(matrices, oneLinear, options, async ({ weights, loadDense }) => {
      const [rows = 0, columns = 0] = weights.shape;
      const target = allocateNative(rows * columns * 4);
      try {
        await loadDense(target.address);
        const parts = fittedParts(weights, target.address, hessian.address);
        const dense = parts.map((part) => ({ ...part, weights: part.target }));
        const reference = sum(await pool.map(TASKS, hessianProduct, dense));
        return (reference + (await fitParts(pool, parts, diagonal, options.iterations))) / 2;
      } finally {
        freeNative(target);
      }
    });
  } finally {
    hessian.dispose();
  }
}

/** Parts of near-equal numbers of rows, whatever the number of workers. */
export function fittedParts(weights: TensorRef, target: bigint, hessian: bigint): FittedRows[] {
  const [rows = 0, columns = 0] = weights.shape;
  return equalParts(rows, TASK_ROWS).map(({ first, count }) => ({
    rows: count,
    columns,
    hessian,
    weights: weights.address + BigInt(first * columns * 4),
    target: target + BigInt(first * columns * 4),
  }));
}

/** Fits the survivors of all parts; returns tr(Ŵ·H·Ŵᵀ) − 2·tr(Ŵ·H·Wᵀ). */
export async function fitParts(
  pool: WorkerPool,
  parts: readonly FittedRows[],
  diagonal: Float64Array,
  iterations: number,
): Promise<number> {
  const inverseDiagonal = Float32Array.from(diagonal, (value) => 1 / value);
  const tasks = parts.map((part) => ({ ...part, inverseDiagonal, iterations, tolerance: TOLERANCE }));
  return sum((await pool.map(TASKS, fitRows, tasks)).map(({ form }) => form));
}

function sum(list: readonly number[]): number {
  return list.reduce((total, each) => total + each, 0);
}
