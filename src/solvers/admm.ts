/**
 * The ADMM weight update (Boža 2024, arXiv 2401.02938): with a mask that becomes sparser step by step, or for a given one.
 * @module
 */
import type { WorkerPool } from '../runtime/worker-pool.js';
import { maskZeros } from '../sparsity/pattern.js';
import type { GramRef } from '../statistics/group-statistics.js';
import { AdmmState } from './admm-state.js';
import { relativelyDampedDiagonal } from './hessian-diagonal.js';
import { eachMatrix, type MaskedMatrix, type SolvableMatrix, type SolveOutcome } from './solvable.js';

export interface AdmmOptions {
  /** As a fraction of each element of the Hessian's diagonal. */
  readonly damping: number;
  readonly iterations: number;
  /** Steps over which the mask becomes as sparse as it is to be. */
  readonly gradual: number;
}

/** The penalty, in units of the Hessian's diagonal without damping. */
const RHO = 1;

/**
 * Prunes the linears that read the activation whose Gram matrix is given. In the first `gradual` steps the mask is chosen
 * anew, with a sparsity that rises as a cube to the pattern's; in those that remain it stays.
 *
 * @param oneLinear whether matrices are pruned one after the other, which takes less memory
 * @throws RunError naming the linear when the damped Hessian isn't positive definite
 */
export async function admm(
  pool: WorkerPool,
  gram: GramRef,
  matrices: readonly SolvableMatrix[],
  options: AdmmOptions,
  oneLinear = false,
): Promise<Map<string, SolveOutcome>> {
  const diagonal = relativelyDampedDiagonal(gram, options.damping);
  return await eachMatrix(matrices, oneLinear, options, async (matrix) => {
    const { pattern, weights } = matrix;
    const [rows = 0, columns = 0] = weights.shape;
    if (maskZeros(pattern, rows, columns) === 0) return 0;
    const state = new AdmmState(pool, gram, matrix, diagonal);
    try {
      await state.start();
      if (await state.isPruned(pattern)) return 0;
      await state.setPenalty(RHO / (1 + options.damping));
      state.takeMultipliers();
      for (let step = 0; step < options.iterations; step++) {
        const share = 1 - (1 - (step + 1) / options.gradual) ** 3;
        if (step < options.gradual) await state.updateSupport({ pattern, share });
        await state.step('support', false);
      }
      await state.finish('support');
      return await state.fitSurvivors(0);
    } finally {
      state.dispose();
    }
  });
}

/**
 * Gives the survivors of matrices that are pruned new weights: their zeros stay.
 *
 * @param oneLinear whether matrices are updated one after the other, which takes less memory
 * @throws RunError naming the linear when the damped Hessian isn't positive definite
 */
export async function admmUpdate(
  pool: WorkerPool,
  gram: GramRef,
  matrices: readonly MaskedMatrix[],
  options: Omit<AdmmOptions, 'gradual'>,
  oneLinear = false,
): Promise<Map<string, SolveOutcome>> {
  const diagonal = relativelyDampedDiagonal(gram, options.damping);
  return await eachMatrix(matrices, oneLinear, options, async (matrix) => {
    const state = new AdmmState(pool, gram, matrix, diagonal);
    try {
      await state.zerosToSupport();
      await matrix.loadDense(matrix.weights.address);
      await state.start();
      await state.setPenalty(RHO / (1 + options.damping));
      state.takeMultipliers();
      for (let step = 0; step < options.iterations; step++) await state.step('support', false);
      await state.finish('support');
      return await state.fitSurvivors(0);
    } finally {
      state.dispose();
    }
  });
}
