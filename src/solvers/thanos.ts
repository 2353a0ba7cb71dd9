/**
 * Thanos: block by block, all weights that a row loses go together, with one optimal update of the rest of the row (Ilin &
 * Richtárik 2025, arXiv 2504.05346).
 * @module
 */
import { equalParts } from '../runtime/parts.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import { type Cut, cutsOf } from '../sparsity/find-cuts.js';
import { zeroCount } from '../sparsity/pattern.js';
import type { GramRef } from '../statistics/group-statistics.js';
import { allocateNative, freeNative } from '../system/native-memory.js';
import { dampedDiagonal } from './hessian-diagonal.js';
import type { SolvableMatrix, SolveOutcome } from './solvable.js';
import { type BlockOptions, type FactoredColumns, factorBytes, solveInBlocks } from './solve-in-blocks.js';
import { remainingHistogram, removeFromAll, removeFromBlock, startState } from './thanos-task.js';

const TASKS = 'solvers/thanos-task';

/** Rows of one task. */
const TASK_ROWS = 512;

/** Where nothing is left to go. */
const NO_CUT: Cut = { threshold: 0, ties: 0 };

/** Bytes of a group's factor, and of each linear's weights while they are brought up to date. */
export function thanosBytes(
  size: number,
  linears: readonly { readonly out: number; readonly in: number }[],
): { readonly group: number; readonly linears: readonly number[] } {
  return { group: factorBytes(size), linears: linears.map((linear) => linear.out * linear.in * 4) };
}

/**
 * Prunes the linears that read the activation whose Gram matrix is given.
 *
 * With U the factor UᵀU = H⁻¹ and D its diagonal block of a block of columns, G = DᵀD is the head of the inverse Hessian of
 * this block and all after it. A row that loses the columns S of the block gets the multipliers λ = G[S, S]⁻¹·w[S], and
 * its weights from the block's first column on change by −λ·H⁻¹[S, :] = −(λ·D[:, S]ᵀ)·U.
 *
 * What goes of a block, for a sparsity, is its part of a mask over all columns that are left: the lowest |w_ij|·√H_jj of
 * the whole matrix, as many as are still to go, on the weights as they are by then. All blocks together lose exactly
 * ⌊numel · sparsity⌋. For N:M it is the lowest of each group when the block is reached.
 *
 * @param oneLinear whether matrices are pruned one after the other, which takes less memory
 * @throws RunError naming the group when the factorisation fails at every damping
 */
export async function thanos(
  pool: WorkerPool,
  group: string,
  gram: GramRef,
  matrices: readonly SolvableMatrix[],
  options: Omit<BlockOptions, 'order'>,
  oneLinear = false,
): Promise<Map<string, SolveOutcome>> {
  const norms = Float32Array.from(dampedDiagonal(gram, 0, 0).diagonal, Math.sqrt);
  return await solveInBlocks(pool, group, gram, matrices, options, oneLinear, (matrix, columns) =>
    pruneMatrix(pool, matrix, columns, norms),
  );
}

async function pruneMatrix(
  pool: WorkerPool,
  { name, weights, pattern, keepZeros = false }: SolvableMatrix,
  { steps, factor, dead }: FactoredColumns,
  norms: Float32Array,
): Promise<number> {
  const [rows = 0, columns = 0] = weights.shape;
  const state = allocateNative(rows * columns * 4);
  try {
    const parts = equalParts(rows, TASK_ROWS).map(({ first, count }) => {
      const before = BigInt(first * columns * 4);
      return {
        name,
        weights: weights.address + before,
        rows: count,
        columns,
        state: state.address + before,
        steps,
        factor,
        dead,
        norms,
        keepZeros,
      };
    });
    if (pattern.kind === 'n:m') {
      const tasks = parts.map((part) => ({ ...part, mask: pattern }));
      const losses = await pool.map(TASKS, removeFromAll, tasks);
      return losses.reduce((sum, loss) => sum + loss, 0);
    }
    await pool.map(TASKS, startState, parts);
    let left = zeroCount(rows * columns, pattern.sparsity);
    let total = 0;
    for (const index of steps.keys()) {
      const histograms = (high?: number) => {
        const tasks = parts.map((part) => ({ ...part, from: index, high }));
        return pool.map(TASKS, remainingHistogram, tasks);
      };
      const cuts = left > 0 ? await cutsOf(histograms, left) : parts.map(() => NO_CUT);
      const tasks = parts.map((part, at) => {
        const mask = { kind: 'threshold' as const, ...(cuts[at] ?? NO_CUT) };
        return { ...part, index, mask };
      });
      for (const { zeros, loss } of await pool.map(TASKS, removeFromBlock, tasks)) {
        left -= zeros;
        total += loss;
      }
    }
    return total;
  } finally {
    freeNative(state);
  }
}
