/**
 * One cut over the scores of all linears: each loses what it has below.
 *
 * Scores of different linears don't compare as they are: those of a linear are divided by their mean, or by the root of their
 * mean square, as layer-wise standardised global pruning does. With |w|, and divided by nothing, it is global magnitude pruning
 * (Han et al. 2015; Blalock et al. 2020, arXiv 2003.03033).
 * @module
 */

import { z } from 'zod';
import { weightCount } from '../../model/description.js';
import type { WorkerPool } from '../../runtime/worker-pool.js';
import { storedParts } from '../../sparsity/stored-parts.js';
import { scoreSums } from '../../statistics/score-sums-task.js';
import { type Allocation, type DenseLinear, NO_ALLOCATION_WORK } from './allocation.js';
import { type CutLinear, cutBytes, cutShares } from './cut-shares.js';
import { measuredLinear, measuringWindows, sparsityBound } from './dense-linears.js';

const options = z
  .strictObject({
    score: z
      .enum(['wanda', 'magnitude'])
      .default('wanda')
      .describe('wanda: |weight| · input norm; magnitude: |weight|, for which no calibration is needed.'),
    standardise: z
      .enum(['mean', 'norm', 'none'])
      .default('mean')
      .describe(
        'What the scores of a linear are divided by: their mean, the root of their mean square, or nothing.',
      ),
    among: z
      .enum(['model', 'block'])
      .default('model')
      .describe('Linears that have one cut: all, or those of a block, so that each block loses as much.'),
    bound: sparsityBound,
    windows: measuringWindows,
  })
  .describe('Global: one cut over the scores of all linears, each of which loses what it has below.');

type GlobalOptions = z.output<typeof options>;

export const global: Allocation = {
  name: 'global',
  options,
  looks: true,
  windows(given) {
    const { score, windows } = options.parse(given);
    return score === 'wanda' ? windows : 0;
  },
  spread: (_goal, given) => 2 * options.parse(given).bound,
  async share(pool, { linears, goal = 0, onStep }, given) {
    const parsed = options.parse(given);
    const scored: CutLinear[] = [];
    for (const linear of linears) {
      scored.push(await standardised(pool, linear, parsed));
      onStep(scored.length, linears.length);
    }
    return await cutShares(pool, scored, goal, parsed.among, parsed.bound);
  },
  work(linears, _workers, given) {
    const passes = options.parse(given).standardise === 'none' ? 2 : 3;
    return {
      ...NO_ALLOCATION_WORK,
      bytes: cutBytes(linears.length),
      scored: passes * weightCount(linears),
    };
  },
};

async function standardised(
  pool: WorkerPool,
  linear: DenseLinear,
  { score, standardise }: GlobalOptions,
): Promise<CutLinear> {
  const { block, size } = linear;
  const factors =
    score === 'wanda'
      ? measuredLinear(linear).columnNorms
      : new Float32Array(linear.weights.shape[1] ?? 0).fill(1);
  const parts = storedParts(linear, 'wanda', factors);
  if (standardise === 'none') return { block, size, parts };
  const sums = await pool.map('statistics/score-sums-task', scoreSums, parts);
  const measure =
    standardise === 'mean'
      ? sums.reduce((total, { sum }) => total + sum, 0) / size
      : Math.sqrt(sums.reduce((total, { sumOfSquares }) => total + sumOfSquares, 0) / size);
  // Scores that all are 0 stay so.
  const scale = measure > 0 ? 1 / measure : 1;
  return {
    block,
    size,
    parts: storedParts(
      linear,
      'wanda',
      factors.map((factor) => factor * scale),
    ),
  };
}
