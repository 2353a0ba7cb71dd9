/**
 * The interface of an allocation: how the overall sparsity is shared among the linears. A new allocation is one file here
 * and one line in `allocation-registry.ts`.
 * @module
 */
import type { z } from 'zod';
import type { TensorRef } from '../../runtime/tensor-ref.js';
import type { WorkerPool } from '../../runtime/worker-pool.js';

/** A linear of a dense block. */
export interface MeasuredLinear {
  /** Full name without `.weight`. */
  readonly name: string;
  /** [out, in] f32 */
  readonly weights: TensorRef;
  /** ‖X_j‖₂, [in] */
  readonly columnNorms: Float32Array;
}

/** What an allocation goes by when it has seen all blocks. */
export interface SharedLinear {
  readonly block: number;
  /** Weights. */
  readonly size: number;
  /** As `measure` gave it. */
  readonly measure: number;
}

export interface Allocation {
  readonly name: string;
  /** Its own options in the run file, each with a default. */
  readonly options: z.ZodObject;
  /** Calibration windows, from the first, on which the dense model is measured; 0 for none. */
  windows(options: unknown): number;
  /** Looks at the linears of a dense block that share the sparsity. Gives a number for each. */
  measure(pool: WorkerPool, linears: readonly MeasuredLinear[], options: unknown): Promise<number[]>;
  /**
   * The sparsity of each linear. Where the mean over weights isn't the goal, or a sparsity is out of range, all are shifted.
   *
   * @param goal fraction of all weights together
   */
  share(goal: number, linears: readonly SharedLinear[], options: unknown): number[];
}
