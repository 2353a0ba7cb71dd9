/**
 * The allocation that a run file asks for, with its options.
 * @module
 */
import type { PruneConfig } from '../config/run-schema.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import type { MeasuredLinear, SharedLinear } from './allocations/allocation.js';
import { allocationByName } from './allocations/allocation-registry.js';

export interface BoundAllocation {
  readonly name: string;
  /** Calibration windows, from the first, on which the dense model is measured. */
  readonly windows: number;
  measure(pool: WorkerPool, linears: readonly MeasuredLinear[]): Promise<number[]>;
  share(goal: number, linears: readonly SharedLinear[]): number[];
}

/** @param samples calibration windows that there are */
export function bindAllocation({ allocation: chosen }: PruneConfig, samples: number): BoundAllocation {
  const { name, ...options } = chosen;
  const allocation = allocationByName(name);
  return {
    name,
    windows: Math.min(samples, allocation.windows(options)),
    measure: (pool, linears) => allocation.measure(pool, linears, options),
    share: (goal, linears) => allocation.share(goal, linears, options),
  };
}
