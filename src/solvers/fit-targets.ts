/**
 * Weights that make up for what a sum lacks that a linear writes into: the target of whatever prunes it next. GPTAQ (Li et al.
 * 2025, ICML, arXiv 2504.02692) fits a linear's own output to the dense model's in this way.
 * @module
 */
import { RunError } from '../errors.js';
import { equalParts } from '../runtime/parts.js';
import type { TensorRef } from '../runtime/tensor-ref.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import type { GramRef } from '../statistics/group-statistics.js';
import { fitTargetRows } from './fit-targets-task.js';
import { FullHessian, fullHessianBytes } from './full-hessian.js';
import { dampedDiagonal } from './hessian-diagonal.js';
import { inversionTaskBytes } from './invert-symmetric.js';

/** λ as a fraction of the mean of the Hessian's diagonal. */
const DAMPING = 0.01;
/** Rows of one task. */
const TASK_ROWS = 512;

/** f32 bytes beside weights, sums and the Gram matrix of n inputs. */
export function fitTargetBytes(n: number): number {
  return fullHessianBytes(n);
}

/** f32 bytes that a worker keeps of the largest task, until it ends. */
export function fitTargetTaskBytes(n: number): number {
  return inversionTaskBytes(n) + TASK_ROWS * n * 4;
}

export interface TargetedMatrix {
  /** [out, in] f32, W as it is in the dense model; replaced by the target weights. */
  readonly weights: TensorRef;
  /** Σ over tokens of lack·xᵀ, [out, in] f32; replaced by the target weights as well. */
  readonly sums: TensorRef;
}

/**
 * W + share·(2/tokens)·Σ lack·xᵀ·H⁻¹ with H = (2/tokens)·XᵀX + λI: of all weights those whose output is nearest to
 * W·x + share·lack, λ holding them near W. Where W is zero the target is too, so that zeros of the source stay known.
 *
 * @param name of the group, for messages
 * @throws RunError when the damped Hessian isn't positive definite
 */
export async function fitTargets(
  pool: WorkerPool,
  gram: GramRef,
  matrices: readonly TargetedMatrix[],
  share: number,
  name: string,
): Promise<void> {
  const hessian = new FullHessian(pool, gram);
  try {
    const failedAt = await hessian.fillInverse(dampedDiagonal(gram, DAMPING, 1).diagonal);
    if (failedAt !== undefined) {
      throw new RunError(
        `${name}: the Hessian isn't positive definite, first at feature ${failedAt}; more calibration tokens would help, or calibration.recovery 0`,
      );
    }
    const tasks = matrices.flatMap(({ weights, sums }) => {
      const [rows = 0, columns = 0] = weights.shape;
      return equalParts(rows, TASK_ROWS).map(({ first, count }) => ({
        rows: count,
        columns,
        inverse: hessian.address,
        sums: sums.address + BigInt(first * columns * 4),
        weights: weights.address + BigInt(first * columns * 4),
        scale: (share * 2) / gram.tokens,
      }));
    });
    await pool.map('solvers/fit-targets-task', fitTargetRows, tasks);
  } finally {
    hessian.dispose();
  }
}
