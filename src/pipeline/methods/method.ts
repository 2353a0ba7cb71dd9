/**
 * The interface of a method: what a user names in `prune.method`. A new method is one file here (a score alone
 * needs none) and one line in `method-registry.ts`.
 * @module
 */
import type { z } from 'zod';
import type { TensorRef } from '../../runtime/tensor-ref.js';
import type { WorkerPool } from '../../runtime/worker-pool.js';
import type { Pattern } from '../../sparsity/pattern.js';
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
  /** There when the method asks for any. */
  readonly statistics: GroupStatistics | undefined;
}

/** What a method says of a linear that it pruned. */
export interface MethodOutcome {
  readonly predictedLoss: number | null;
  readonly damping: number | null;
  readonly seconds: number;
  readonly notes: readonly string[];
}

/** What calibration has to measure, each kind including the one before. */
export type StatisticsNeed = 'none' | 'column norms' | 'gram';

export interface Method {
  readonly name: string;
  /** The method's own options in the run file, each with a default. */
  readonly options: z.ZodObject;
  readonly statistics: StatisticsNeed;
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
