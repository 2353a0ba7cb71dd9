/**
 * The interface of a method: what a user names in `prune.method`. A new method is one file here (a score alone
 * needs none) and one line in `method-registry.ts`.
 * @module
 */
import type { z } from 'zod';
import type { TensorRef } from '../../runtime/tensor-ref.js';
import type { WorkerPool } from '../../runtime/worker-pool.js';
import type { Pattern } from '../../sparsity/pattern.js';
import type { StoredMatrix } from '../../sparsity/prune-by-score.js';
import type { GroupStatistics } from '../../statistics/group-statistics.js';

/** A linear to prune in place. */
export interface MethodLinear {
  /** Full name without `.weight`. */
  readonly name: string;
  /** [out, in] f32 */
  readonly weights: TensorRef;
  readonly pattern: Pattern;
}

/** The linears of a block that read one activation, and what was measured of it. */
export interface MethodGroup {
  /** For messages: the block and what its linears read. */
  readonly name: string;
  readonly linears: readonly MethodLinear[];
  readonly statistics: GroupStatistics;
}

/** What a method says of a linear that it pruned. */
export interface MethodOutcome {
  readonly predictedLoss: number | null;
  readonly damping: number | null;
  readonly seconds: number;
  readonly notes: readonly string[];
}

/** A linear to prune on its way from the source into the output. */
export interface StoredLinear {
  /** Full name without `.weight`. */
  readonly name: string;
  readonly matrix: StoredMatrix;
  readonly pattern: Pattern;
}

interface NamedMethod {
  readonly name: string;
  /** The method's own options in the run file, each with a default. */
  readonly options: z.ZodObject;
}

/** A method that learns from calibration. */
export interface CalibratedMethod extends NamedMethod {
  /** What calibration has to measure, each kind including the one before. */
  readonly statistics: 'column norms' | 'gram';
  /**
   * Prunes the group's linears to their patterns.
   *
   * @param options as the schema puts them out
   * @param oneLinear whether to prune one linear after the other, which takes less memory, instead of all at once
   * @returns an outcome for each linear by name
   */
  prune(
    pool: WorkerPool,
    group: MethodGroup,
    options: unknown,
    oneLinear: boolean,
  ): Promise<Map<string, MethodOutcome>>;
}

/** A method that looks at each matrix alone, so that no block is ever in memory. */
export interface UncalibratedMethod extends NamedMethod {
  readonly statistics: 'none';
  /**
   * Prunes a linear to its pattern, and writes it.
   *
   * @param options as the schema puts them out
   * @returns also how many of its weights are zero then
   */
  pruneStored(
    pool: WorkerPool,
    linear: StoredLinear,
    options: unknown,
  ): Promise<MethodOutcome & { readonly zeros: number }>;
}

export type Method = CalibratedMethod | UncalibratedMethod;
