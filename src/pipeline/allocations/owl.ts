/**
 * Outlier-weighed layerwise sparsity: blocks with more outliers keep more (Yin et al. 2024, ICML, arXiv 2310.05175).
 * @module
 */

import { z } from 'zod';
import { weightCount } from '../../model/description.js';
import { outlierRatio } from '../../statistics/outlier-ratio.js';
import { type Allocation, NO_ALLOCATION_WORK } from './allocation.js';
import { byBlock, measuredLinear, measuringWindows } from './dense-linears.js';

const options = z
  .strictObject({
    lambda: z
      .number()
      .min(0)
      .lt(0.5)
      .default(0.08)
      .describe('How far the sparsity of a block may lie from the mean of the least and the greatest.'),
    outlier: z
      .number()
      .positive()
      .default(5)
      .describe(
        'A weight is an outlier when |weight| · input norm is more than so many times the mean of its block.',
      ),
    windows: measuringWindows,
  })
  .describe('OWL: blocks with more outliers keep more weights.');

export const owl: Allocation = {
  name: 'owl',
  options,
  looks: true,
  windows: (given) => options.parse(given).windows,
  spread: (_goal, given) => 2 * options.parse(given).lambda,
  async share(pool, { linears, goal = 0, onStep }, given) {
    const { lambda, outlier } = options.parse(given);
    const blocks = byBlock(linears);
    const ratios = new Map<number, number>();
    for (const [block, own] of blocks) {
      ratios.set(block, await outlierRatio(pool, own.map(measuredLinear), outlier));
      onStep(ratios.size, blocks.size);
    }
    const each = linears.map(({ block }) => ratios.get(block) as number);
    return { sparsities: outlierShares(goal, each, lambda), isExact: false };
  },
  // The mean, and then what lies above.
  work: (linears) => ({ ...NO_ALLOCATION_WORK, scored: 2 * weightCount(linears) }),
};

/** Sparsities spread over 2·lambda, the least where most outliers are. */
export function outlierShares(goal: number, ratios: readonly number[], lambda: number): number[] {
  const [least, most] = [Math.min(...ratios), Math.max(...ratios)];
  if (least === most) return ratios.map(() => goal);
  return ratios.map((ratio) => goal + lambda - (2 * lambda * (ratio - least)) / (most - least));
}
