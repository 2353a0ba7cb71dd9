/**
 * What a solver takes and what it says of it.
 * @module
 */
import { forEach } from '../runtime/for-each.js';
import type { TensorRef } from '../runtime/tensor-ref.js';
import type { Pattern } from '../sparsity/pattern.js';

/** Of a linear that was pruned. */
export interface SolveOutcome {
  /** ½·tr(ΔHΔᵀ) for the damped H. */
  readonly predictedLoss: number;
  /** λ as a fraction of the mean of the Hessian's diagonal, as it was used in the end. */
  readonly damping: number;
  readonly seconds: number;
  readonly notes: readonly string[];
}

/** A linear that a solver prunes. */
export interface SolvableMatrix {
  /** Of the linear, for messages. */
  readonly name: string;
  /** [out, in] f32, pruned in place. */
  readonly weights: TensorRef;
  readonly pattern: Pattern;
  /** Whether weights that are zero from the start are part of every mask. Where they are more than the pattern removes, nothing else goes. */
  readonly keepZeros?: boolean | undefined;
}

/** A linear whose zeros are its mask. */
export interface MaskedMatrix {
  /** Of the linear, for messages. */
  readonly name: string;
  /** [out, in] f32, pruned; its survivors get other values in place. */
  readonly weights: TensorRef;
  /** Writes the dense weights, [out, in] f32, to an address. */
  loadDense(address: bigint): Promise<void>;
}

/** Solves one matrix after the other, or all at once, and tells of each. `solve` returns ½·tr(ΔHΔᵀ). */
export async function eachMatrix<Matrix extends { readonly name: string }>(
  matrices: readonly Matrix[],
  oneLinear: boolean,
  { damping }: { readonly damping: number },
  solve: (matrix: Matrix) => Promise<number>,
): Promise<Map<string, SolveOutcome>> {
  const outcomes = new Map<string, SolveOutcome>();
  await forEach(matrices, oneLinear, async (matrix) => {
    const started = performance.now();
    const predictedLoss = await solve(matrix);
    const seconds = (performance.now() - started) / 1000;
    outcomes.set(matrix.name, { predictedLoss, damping, notes: [], seconds });
  });
  return outcomes;
}
