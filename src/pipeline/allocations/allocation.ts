/**
 * The interface of an allocation: how the overall sparsity is shared among the linears. A new allocation is one file here
 * and one line in `allocation-registry.ts`.
 * @module
 */
import type { z } from 'zod';
import type { LinearDescription } from '../../model/description.js';
import type { WorkerPool } from '../../runtime/worker-pool.js';
import type { DenseMatrix } from '../../sparsity/stored-parts.js';

/** A linear of the dense model that shares the sparsity. */
export interface DenseLinear extends DenseMatrix {
  readonly block: number;
  /** Weights. */
  readonly size: number;
  /** ‖X_j‖₂ over the allocation's windows, [in]; undefined where it asks for none. */
  readonly columnNorms: Float32Array | undefined;
}

/** What an allocation sees of the dense model, and is asked for. */
export interface ShareRequest {
  readonly linears: readonly DenseLinear[];
  /** Fraction of all their weights together; undefined where the options say what goes. */
  readonly goal: number | undefined;
  /** Told how many of so many steps are done. */
  readonly onStep: (done: number, total: number) => void;
}

export interface Shares {
  /** Of each linear, in order. */
  readonly sparsities: readonly number[];
  /**
   * Whether they add up to the goal as they are. Otherwise all are shifted until they do, and none is out of range; so are
   * those that an N of N:M is made of.
   */
  readonly isExact: boolean;
}

/** What sharing takes, for plans. */
export interface AllocationWork {
  /** Held beside the process and its workers. */
  readonly bytes: number;
  /** Weights that are read and scored, each time counted. */
  readonly scored: number;
  /** Operations of matrix products. */
  readonly productFlops: number;
  /** Operations on the columns of matrices, one after the other. */
  readonly columnFlops: number;
}

export const NO_ALLOCATION_WORK: AllocationWork = { bytes: 0, scored: 0, productFlops: 0, columnFlops: 0 };

export interface Allocation {
  readonly name: string;
  /** Its own options in the run file, each with a default. */
  readonly options: z.ZodObject;
  /** Whether it looks at the dense model at all, before any block is pruned. */
  readonly looks: boolean;
  /** Calibration windows, from the first, that go through the dense model; 0 where its weights are enough. */
  windows(options: unknown): number;
  /** How far apart the sparsities of two linears may lie at most. @param goal of all linears together */
  spread(goal: number, options: unknown): number;
  share(pool: WorkerPool, request: ShareRequest, options: unknown): Promise<Shares>;
  /** @param workers threads at work */
  work(linears: readonly LinearDescription[], workers: number, options: unknown): AllocationWork;
}
