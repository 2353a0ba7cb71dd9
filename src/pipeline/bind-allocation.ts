/**
 * The allocation that a run file asks for, with its options.
 * @module
 */
import type { PruneConfig } from '../config/run-schema.js';
import type { LinearDescription } from '../model/description.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import type { AllocationWork, ShareRequest, Shares } from './allocations/allocation.js';
import { allocationByName } from './allocations/allocation-registry.js';

export interface BoundAllocation {
  readonly name: string;
  /** Whether it looks at the dense model, before any block is pruned. */
  readonly looks: boolean;
  /** Calibration windows, from the first, that go through the dense model. */
  readonly windows: number;
  share(pool: WorkerPool, request: ShareRequest): Promise<Shares>;
  work(linears: readonly LinearDescription[], workers: number): AllocationWork;
}

/** @param samples calibration windows that there are */
export function bindAllocation({ allocation: chosen }: PruneConfig, samples: number): BoundAllocation {
  const { name, ...options } = chosen;
  const allocation = allocationByName(name);
  return {
    name,
    looks: allocation.looks,
    windows: Math.min(samples, allocation.windows(options)),
    share: (pool, request) => allocation.share(pool, request, options),
    work: (linears, workers) => allocation.work(linears, workers, options),
  };
}
