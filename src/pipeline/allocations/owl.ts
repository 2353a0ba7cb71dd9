/**
 * Outlier-weighed layerwise sparsity: blocks with more outliers keep more (Yin et al. 2024, ICML, arXiv 2310.05175).
 * @module
 */
import { z } from 'zod';
import { outlierRatio } from '../../statistics/outlier-ratio.js';
import type { Allocation } from './allocation.js';

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
    windows: z
      .int()
      .min(1)
      .default(32)
      .describe('Calibration windows, from the first, on which the dense model is measured.'),
  })
  .describe('OWL: blocks with more outliers keep more weights.');

export const owl: Allocation = {
  name: 'owl',
  options,
  windows: (given) => options.parse(given).windows,
  async measure(pool, linears, given) {
    const ratio = await outlierRatio(pool, linears, options.parse(given).outlier);
    return linears.map(() => ratio);
  },
  share(goal, linears, given) {
    const { lambda } = options.parse(given);
    const ratios = linears.map(({ measure }) => measure);
    const [least, most] = [Math.min(...ratios), Math.max(...ratios)];
    if (least === most) return linears.map(() => goal);
    return ratios.map((ratio) => goal + lambda - (2 * lambda * (ratio - least)) / (most - least));
  },
};
