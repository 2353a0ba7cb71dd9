/**
 * DSnoT as a refinement of the mask that a method has left.
 * @module
 */
import { z } from 'zod';
import { forEach } from '../../runtime/for-each.js';
import { refineMask } from '../../sparsity/dsnot.js';
import { moments } from '../../statistics/group-statistics.js';
import { type Method, type MethodOutcome, NO_WORK } from './method.js';
import { steps } from './options.js';

const options = z
  .strictObject({
    cycles: steps(50, 'Most swaps in a row.'),
    threshold: z
      .number()
      .min(0)
      .max(1e6)
      .default(0.1)
      .describe(
        'A row whose expected output error, summed over 2048 tokens as in the published code, is at most this is left as it is.',
      ),
    variance_power: z
      .number()
      .min(0)
      .max(10)
      .default(1)
      .describe(
        "Regrown is what makes the error smallest, divided by this power of the input's variance; 0 for the error alone.",
      ),
    same_sign: z
      .boolean()
      .default(true)
      .describe(
        "A row ends before a swap that would turn the error's sign; false: only before one that would not make it smaller.",
      ),
  })
  .describe(
    'DSnoT: in every row, swaps pruned weights for others so that the error of the mean output gets smaller. The weights that stay get their dense values back, also where the method moved them.',
  );

export const dsnotMethod: Method = {
  name: 'dsnot',
  options,
  statistics: 'column norms',
  moments: true,
  async prune(pool, { linears, statistics }, given, oneLinear) {
    const { variance_power: variancePower, same_sign: sameSign, ...rest } = options.parse(given);
    const inputs = { ...moments(statistics), norms: statistics.sumOfSquares.map(Math.sqrt) };
    const outcomes = new Map<string, MethodOutcome>();
    await forEach(linears, oneLinear, async (linear) => {
      const started = performance.now();
      await refineMask(pool, linear, inputs, { ...rest, variancePower, sameSign });
      const seconds = (performance.now() - started) / 1000;
      outcomes.set(linear.name, { predictedLoss: null, damping: null, seconds, notes: [] });
    });
    return outcomes;
  },
  work({ linears }) {
    const sizes = linears.map((linear) => linear.out * linear.in);
    return {
      ...NO_WORK,
      bytes: { group: 0, linears: sizes.map((size) => size * 4) },
      refined: sizes.reduce((sum, size) => sum + size, 0),
    };
  },
};
