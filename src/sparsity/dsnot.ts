/**
 * Dynamic Sparse no Training (Zhang et al. 2024, arXiv 2310.08915): a mask is refined by swaps that bring the expected
 * error of every output towards 0.
 * @module
 */
import { equalParts, rowsWithin } from '../runtime/parts.js';
import type { TensorRef } from '../runtime/tensor-ref.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import type { Moments } from '../statistics/group-statistics.js';
import { allocateNative, freeNative } from '../system/native-memory.js';
import { swapWeights } from './dsnot-task.js';
import { checkPattern, type Pattern } from './pattern.js';

/** Elements of one task; whole rows, at least one. */
const TASK_ELEMENTS = 1_048_576;

/** Tokens over which the error is summed. The published code's threshold is for the sum over such a window. */
const ERROR_TOKENS = 2048;

/** A linear whose zeros are its mask. */
export interface RefinedMatrix {
  /** Of the linear, for messages. */
  readonly name: string;
  /** [out, in] f32, refined in place. */
  readonly weights: TensorRef;
  readonly pattern: Pattern;
  /** Writes the dense weights, [out, in] f32, to an address. */
  loadDense(address: bigint): Promise<void>;
}

/** What is known of the linear's inputs. */
export interface RefinementInputs extends Moments {
  /** ‖X_j‖₂, [in] */
  readonly norms: Float64Array;
}

export interface RefinementOptions {
  /** Most swaps of a row. */
  readonly cycles: number;
  /** A row whose expected error, summed over 2,048 tokens, is at most this is done. */
  readonly threshold: number;
  /** Of the variance by which the gain of a regrown weight is divided. */
  readonly variancePower: number;
  /** Whether a row ends before a swap that would turn its error's sign. */
  readonly sameSign: boolean;
}

/**
 * Swaps pruned weights for kept ones, in every row for itself, and leaves the dense weights under the new mask: as many
 * zeros in every row, and in every group of an N:M pattern.
 *
 * With c_j = w_j · E[x_j] · 2048 the error of a row is Σ c_j over what is pruned. Each cycle regrows the pruned weight that
 * takes most from it, by c_j / Var[x_j]^p, and prunes the kept weight of the smallest |w_j|·‖X_j‖ among those without
 * which it is smaller too; for N:M of the same group, and where that has none, the next best is regrown. A row
 * ends at the threshold, after so many cycles, when nothing is left to swap, and before a swap that would not make the
 * error smaller or, with `sameSign`, that would turn its sign. A weight is swapped once. Of equals the lower index goes
 * first. So no row has a larger error than before.
 *
 * @throws RequestError when M doesn't divide the input size
 */
export async function refineMask(
  pool: WorkerPool,
  { name, weights, pattern, loadDense }: RefinedMatrix,
  { mean, variance, norms }: RefinementInputs,
  { cycles, threshold, variancePower, sameSign }: RefinementOptions,
): Promise<void> {
  const [rows = 0, columns = 0] = weights.shape;
  checkPattern(pattern, name, columns);
  const group = pattern.kind === 'n:m' ? pattern.of : columns;
  const rule = { cycles, threshold, sameSign, group };
  const expected = mean.map((value) => value * ERROR_TOKENS);
  const spread = variance.map((value) => value ** variancePower);
  const dense = allocateNative(rows * columns * 4);
  try {
    await loadDense(dense.address);
    const most = rowsWithin(TASK_ELEMENTS, columns);
    const tasks = equalParts(rows, most).map(({ first, count }) => {
      const place = BigInt(first * columns * 4);
      return {
        ...rule,
        rows: count,
        columns,
        weights: weights.address + place,
        dense: dense.address + place,
        expected,
        spread,
        norms,
      };
    });
    await pool.map('sparsity/dsnot-task', swapWeights, tasks);
  } finally {
    freeNative(dense);
  }
}
