/**
 * ALPS: the support by ADMM with a growing penalty, then its weights by conjugate gradients (Meng, Behdin, Wang & Mazumder
 * 2024, NeurIPS, arXiv 2406.07831).
 * @module
 */
import type { WorkerPool } from '../runtime/worker-pool.js';
import { maskZeros } from '../sparsity/pattern.js';
import type { GramRef } from '../statistics/group-statistics.js';
import { AdmmState } from './admm-state.js';
import { dampedDiagonal } from './hessian-diagonal.js';
import { eachMatrix, type SolvableMatrix, type SolveOutcome } from './solvable.js';

export interface AlpsOptions {
  /** λ as a fraction of the mean of the Hessian's diagonal. */
  readonly damping: number;
  /** The penalty to begin with, in units of the Hessian's diagonal. */
  readonly rho: number;
  /** Most steps of ADMM. */
  readonly iterations: number;
  /** Most steps of the conjugate gradients at the end. */
  readonly refit_iterations: number;
}

/** Steps between two looks at the support. */
const LOOK_EVERY = 3;
/** What the penalty grows by when at least that share of the kept weights has changed since the last look. */
const GROWTH = [
  { above: 0.1, factor: 1.3 },
  { above: 0.005, factor: 1.2 },
  { above: 0, factor: 1.1 },
] as const;
/** A penalty under which the support never moves was too large to begin with. */
const TOO_LARGE = 5;
/** From that step on, the search ends when less than that share changes. */
const SETTLED = { step: 30, share: 3e-4 };

/**
 * Prunes the linears that read the activation whose Gram matrix is given. An unstructured mask is chosen over the whole
 * matrix, with exactly ⌊numel · sparsity⌋ zeros.
 *
 * @param oneLinear whether matrices are pruned one after the other, which takes less memory
 * @throws RunError naming the linear when the damped Hessian isn't positive definite
 */
export async function alps(
  pool: WorkerPool,
  gram: GramRef,
  matrices: readonly SolvableMatrix[],
  options: AlpsOptions,
  oneLinear = false,
): Promise<Map<string, SolveOutcome>> {
  return await eachMatrix(matrices, oneLinear, options, (matrix) => pruneMatrix(pool, gram, matrix, options));
}

async function pruneMatrix(
  pool: WorkerPool,
  gram: GramRef,
  matrix: SolvableMatrix,
  options: AlpsOptions,
): Promise<number> {
  const { pattern } = matrix;
  const [rows = 0, columns = 0] = matrix.weights.shape;
  const zeros = maskZeros(pattern, rows, columns);
  if (zeros === 0) return 0;
  const kept = rows * columns - zeros;
  const state = new AdmmState(pool, gram, matrix, dampedDiagonal(gram, options.damping, 0).diagonal);
  try {
    await state.start();
    if (await state.isPruned(pattern)) return 0;
    let { rho } = options;
    await state.setPenalty(rho);
    let moved = false;
    for (let step = 0; step < options.iterations; step++) {
      if (step > 0 && step % LOOK_EVERY === 0) {
        const changed = await state.updateSupport(pattern);
        const growth = GROWTH.find(({ above }) => changed > above * kept);
        if (moved && (!growth || (step > SETTLED.step && changed < SETTLED.share * kept))) break;
        if (growth && (moved || growth.above > 0)) {
          moved = true;
          rho *= growth.factor;
        } else {
          rho /= TOO_LARGE;
          if (growth) await state.restart();
        }
        await state.setPenalty(rho);
        if (growth && !moved) await state.updateSupport(pattern);
      }
      const looked = step % LOOK_EVERY === 0;
      // Until the support moves, the weights are still needed as they were.
      await state.step(looked ? 'support' : pattern, moved || step + 1 === options.iterations);
    }
    await state.pruneWeights(pattern);
    return await state.fitSurvivors(options.refit_iterations);
  } finally {
    state.dispose();
  }
}
