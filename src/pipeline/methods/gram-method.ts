/**
 * A method that solves with the Gram matrix of what its linears read.
 * @module
 */
import type { z } from 'zod';
import { weightCount } from '../../model/description.js';
import type { WorkerPool } from '../../runtime/worker-pool.js';
import type { GramRef } from '../../statistics/group-statistics.js';
import type { GroupShape, GroupWork, Method, MethodGroup, MethodOutcome } from './method.js';

export interface GramMethodParts<Options extends z.ZodObject> {
  readonly name: string;
  /** The method's own options in the run file, each with a default. */
  readonly options: Options;
  /** As in {@link Method}. */
  readonly largestGroup?: number;
  /** As in {@link Method}. */
  comparesRows?(options: z.output<Options>): boolean;
  /** @param oneLinear whether to prune one linear after the other */
  solve(
    pool: WorkerPool,
    gram: GramRef,
    group: MethodGroup,
    options: z.output<Options>,
    oneLinear: boolean,
  ): Promise<Map<string, MethodOutcome>>;
  /** @param weights of all linears of the group together */
  work(group: GroupShape, weights: number, options: z.output<Options>): GroupWork;
}

export function gramMethod<Options extends z.ZodObject>(parts: GramMethodParts<Options>): Method {
  const { name, options, largestGroup } = parts;
  return {
    name,
    options,
    ...(largestGroup !== undefined && { largestGroup }),
    statistics: 'gram',
    movesWeights: true,
    comparesRows: (given) => parts.comparesRows?.(options.parse(given)) ?? false,
    async prune(pool, group, given, oneLinear) {
      const { gram } = group.statistics;
      if (!gram) throw new Error(`${group.name}: ${name} without a Gram matrix`);
      return await parts.solve(pool, gram, group, options.parse(given), oneLinear);
    },
    work(group, given) {
      const weights = weightCount(group.linears);
      return parts.work(group, weights, options.parse(given));
    },
  };
}
