/**
 * The interface of a method: what a user names in `prune.method`. A new method is one file here (a score alone
 * needs none) and one line in `method-registry.ts`. What follows a method, a refinement of its mask or other weights for
 * its survivors, has the same interface and a registry of its own.
 * @module
 */
import type { z } from 'zod';
import type { MeanEstimate } from '../../evaluation/mean-estimate.js';
import type { LinearDescription } from '../../model/description.js';
import type { TensorRef } from '../../runtime/tensor-ref.js';
import type { WorkerPool } from '../../runtime/worker-pool.js';
import type { RegionalSteps } from '../../solvers/regional-optimiser.js';
import type { Pattern } from '../../sparsity/pattern.js';
import type { StoredMatrix } from '../../sparsity/prune-by-score.js';
import type { FiledMatrix, GradientLoss, GradientMoment } from '../../statistics/gradient-moments.js';
import type { GroupStatistics } from '../../statistics/group-statistics.js';
import type { Allocation } from '../allocations/allocation.js';

/** A linear to prune in place. */
export interface MethodLinear {
  /** Full name without `.weight`. */
  readonly name: string;
  /** [out, in] f32 */
  readonly weights: TensorRef;
  readonly pattern: Pattern;
  /** Whether weights that are zero in the source are part of every mask, so that none is ever given a value. */
  readonly keepZeros?: boolean | undefined;
  /** The moments that the method asks for, in its order. */
  readonly gradients?: readonly FiledMatrix[] | undefined;
  /** Tokens of each window that they were taken over. */
  readonly gradientTokens?: number | undefined;
  /** Writes the weights as they are in the source, [out, in] f32, to an address. */
  loadDense(address: bigint): Promise<void>;
}

/** Weights of a linear that go together, to see what the model loses. */
export interface Ablation {
  readonly linear: MethodLinear;
  /** Their indices in [out, in], each once. */
  indices(): Uint32Array;
}

/** The linears of a block that read one activation, and what was measured of it. */
export interface MethodGroup {
  /** For messages: the block and what its linears read. */
  readonly name: string;
  readonly linears: readonly MethodLinear[];
  readonly statistics: GroupStatistics;
  /** Tokens of the windows that was measured on, with those that go to other experts. */
  readonly windowTokens: number;
  /**
   * Where the method asks for losses: for each ablation alone, how much larger the model's cross-entropy gets, in nats a
   * token, as the block is now and with the later blocks as they are in the source. Leaves the weights as they are.
   */
  readonly lossChanges?: ((ablations: readonly Ablation[]) => Promise<MeanEstimate[]>) | undefined;
}

/** What all pruned weights of a linear, and no others, do to the model's loss. */
export interface MeasuredLoss {
  readonly change: MeanEstimate;
  /** Of the mask that the linear's outputs alone would have chosen. */
  readonly screened: MeanEstimate;
  /** Ablations of the linear that were measured. */
  readonly measurements: number;
}

/** What a method says of a linear that it pruned. */
export interface MethodOutcome {
  readonly predictedLoss: number | null;
  readonly damping: number | null;
  /** Where losses were measured. */
  readonly measuredLoss?: MeasuredLoss | undefined;
  readonly seconds: number;
  readonly notes: readonly string[];
}

/** A linear to prune on its way from the source into the output. */
export interface StoredLinear {
  /** Full name without `.weight`. */
  readonly name: string;
  readonly matrix: StoredMatrix;
  readonly pattern: Pattern;
  /** Whether weights that are zero in the source are part of every mask, so that none is ever given a value. */
  readonly keepZeros?: boolean | undefined;
  /** The moments that the method asks for, in its order. */
  readonly gradients?: readonly FiledMatrix[] | undefined;
}

/** What calibration has to measure, each kind including the one before. */
export const STATISTICS = ['none', 'column norms', 'gram'] as const;
export type StatisticsKind = (typeof STATISTICS)[number];

/** What has to be known of gradients. */
export interface GradientNeeds {
  readonly of: GradientLoss;
  /** Calibration windows, from the first, at most. */
  readonly windows: number;
  /** Of each window, from its first, at most. */
  readonly tokens: number;
  /** Of every linear that is pruned. */
  readonly moments: readonly GradientMoment[];
}

/** Rounds of steps that move a block's weights towards the dense block's output. */
export interface RegionalOptimisation extends RegionalSteps {
  /**
   * `in rounds`: with the windows of each round, before its steps, and after the last one for good.
   * `once before`: with all windows; what the rounds then make of the survivors stays.
   */
  readonly pruned: 'in rounds' | 'once before';
  readonly rounds: number;
  /** Calibration windows of a round, at most; the rounds take all windows in turn. */
  readonly windows: number;
  /** Of each window, from its first, at most. */
  readonly tokens: number;
}

/** The loss that a method has measured while it prunes. */
export interface LossNeeds {
  /** Calibration windows, from the first, at most. */
  readonly windows: number;
  /** Of each window, from its first, at most. */
  readonly tokens: number;
  /** Ablations of such a linear, at most. */
  measurements(linear: LinearDescription, pattern: Pattern): number;
  /** Why such a linear would take too many, as words for people; undefined when it doesn't. */
  refusal(linear: LinearDescription, pattern: Pattern): string | undefined;
}

/** Linears that read one activation. */
export interface GroupShape {
  /** Features of the activation. */
  readonly size: number;
  readonly linears: readonly LinearDescription[];
}

export interface WorkBytes {
  readonly group: number;
  /** For each linear in work. */
  readonly linears: readonly number[];
  /** What a worker keeps of its largest task, until it ends; left out where that is little. */
  readonly worker?: number;
}

/** What pruning a group takes, for plans. */
export interface GroupWork {
  /** Held beside weights and statistics. */
  readonly bytes: WorkBytes;
  /** Operations (a multiply and an add are two) of factorisations of [in, in] matrices. */
  readonly factorFlops: number;
  /** Of products with such matrices. */
  readonly solveFlops: number;
  /** Of the columns of a block, one after the other. */
  readonly columnFlops: number;
  /** Weights that are scored and masked. */
  readonly scored: number;
  /** Weights whose mask is refined by swaps. */
  readonly refined: number;
}

export const NO_WORK: GroupWork = {
  bytes: { group: 0, linears: [] },
  factorFlops: 0,
  solveFlops: 0,
  columnFlops: 0,
  scored: 0,
  refined: 0,
};

export interface Method {
  readonly name: string;
  /** The method's own options in the run file, each with a default. */
  readonly options: z.ZodObject;
  readonly statistics: StatisticsKind;
  /** Whether it gives weights that stay other values. */
  readonly movesWeights?: boolean;
  /** The largest M of a pattern N:M that it takes; any where left out. */
  readonly largestGroup?: number;
  /** Whether the mean of every feature has to be measured too. */
  readonly moments?: boolean;
  /** Whether a sparsity is that of every row, rounded down in each. @param options as the schema puts them out */
  comparesRows?(options: unknown): boolean;
  /** What it needs of gradients, if anything. @param options as the schema puts them out */
  gradients?(options: unknown): GradientNeeds | undefined;
  /** Whether, and how, whole blocks are optimised before they are pruned. @param options as the schema puts them out */
  optimisation?(options: unknown): RegionalOptimisation | undefined;
  /** What it has measured of the model's loss, if anything. @param options as the schema puts them out */
  loss?(options: unknown): LossNeeds;
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
  /**
   * Where no statistics are needed, so that no block need be in memory: prunes a linear to its pattern, and writes it.
   *
   * @param options as the schema puts them out
   * @returns also how many of its weights are zero then
   */
  pruneStored?(
    pool: WorkerPool,
    linear: StoredLinear,
    options: unknown,
  ): Promise<MethodOutcome & { readonly zeros: number }>;
  /** What pruning such a group takes. */
  work(group: GroupShape, options: unknown): GroupWork;
  /**
   * How the method itself shares the sparsity among the linears, where its options say so; undefined leaves that to
   * `prune.allocation`. @param options as the schema puts them out
   */
  allocation?(options: unknown): MethodAllocation | undefined;
  /** The option that, where it is given, says what goes in the place of a sparsity or a pattern. */
  readonly goalOption?: string;
}

export interface MethodAllocation {
  /** What asks for it, for messages: `options.scope: model`. */
  readonly reason: string;
  readonly allocation: Omit<Allocation, 'name' | 'options'>;
  /** The allocation's. */
  readonly options: unknown;
}

/** A method with its options, and what follows it. */
export interface BoundMethod {
  /** For the report: `wanda`, `wanda + dsnot + least_squares`. */
  readonly name: string;
  readonly statistics: StatisticsKind;
  readonly moments: boolean;
  /** The largest M of a pattern N:M that it takes; Infinity where it takes any. */
  readonly largestGroup: number;
  /** Whether a sparsity is that of every row, rounded down in each. */
  readonly comparesRows: boolean;
  readonly gradients: GradientNeeds | undefined;
  /** One after the other. */
  readonly optimisations: readonly RegionalOptimisation[];
  readonly loss: LossNeeds | undefined;
  prune(pool: WorkerPool, group: MethodGroup, oneLinear: boolean): Promise<Map<string, MethodOutcome>>;
  readonly pruneStored:
    | ((pool: WorkerPool, linear: StoredLinear) => Promise<MethodOutcome & { readonly zeros: number }>)
    | undefined;
  work(group: GroupShape): GroupWork;
}
