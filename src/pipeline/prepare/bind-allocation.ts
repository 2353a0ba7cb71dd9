/**
 * The allocation that a run file asks for, with its options.
 * @module
 */
import type { PruneConfig } from '../../config/run-schema.js';
import { RequestError } from '../../errors.js';
import type { LinearDescription } from '../../model/description.js';
import type { WorkerPool } from '../../runtime/worker-pool.js';
import type { AllocationWork, ShareRequest, Shares } from '../allocations/allocation.js';
import { allocationByName } from '../allocations/allocation-registry.js';
import { uniform } from '../allocations/uniform.js';
import { methodByName } from '../methods/method-registry.js';

export interface BoundAllocation {
  readonly name: string;
  /** Whether it looks at the dense model, before any block is pruned. */
  readonly looks: boolean;
  /** Calibration windows, from the first, that go through the dense model. */
  readonly windows: number;
  /** How far apart the sparsities of two linears may lie at most. @param goal of all linears together */
  spread(goal: number): number;
  share(pool: WorkerPool, request: ShareRequest): Promise<Shares>;
  work(linears: readonly LinearDescription[], workers: number): AllocationWork;
}

/**
 * @param samples calibration windows that there are
 * @throws RequestError when the method's options and the allocation both say how the sparsity is shared
 */
export function bindAllocation(prune: PruneConfig, samples: number): BoundAllocation {
  const own = methodByName(prune.method).allocation?.(prune.options);
  const { name, ...chosen } = prune.allocation;
  if (own && name !== uniform.name) {
    throw new RequestError(
      `prune.${own.reason} of ${prune.method} says how much each linear loses, and so does prune.allocation ${name}; ` +
        'leave one of them out',
    );
  }
  const { allocation, options } = own ?? { allocation: allocationByName(name), options: chosen };
  return {
    name: own?.reason ?? name,
    looks: allocation.looks,
    windows: Math.min(samples, allocation.windows(options)),
    spread: (goal) => allocation.spread(goal, options),
    share: (pool, request) => allocation.share(pool, request, options),
    work: (linears, workers) => allocation.work(linears, workers, options),
  };
}
