/**
 * Regional optimisation after any method (Yang et al. 2025, Wanda++, arXiv 2503.04992): its masks stay, and the survivors of
 * a whole block move together towards the dense block's output.
 * @module
 */
import { z } from 'zod';
import { type Method, NO_WORK, type RegionalOptimisation } from './method.js';
import { gradientTokens, steps } from './options.js';

/** The paper's defaults: 5 rounds over 32 of 128 samples each, with a step of RMSprop for every sample. */
export function regionalOptions(rounds: string) {
  return {
    rounds: steps(5, rounds),
    round_windows: z
      .int()
      .min(1)
      .default(32)
      .describe('Calibration windows of a round, at most; the rounds take all windows in turn.'),
    tokens: gradientTokens(),
    learning_rate: z
      .union([z.literal('auto'), z.number().positive().max(1)])
      .default('auto')
      .describe(
        "RMSprop's; a step is up to ten times as large. auto: of each linear, 3e-3 of the root mean square of its weights; the paper has 3e-7.",
      ),
    batch: z
      .int()
      .min(1)
      .max(64)
      .default(1)
      .describe('Windows of a step. Their gradients are all in memory, and computed by as many workers.'),
  };
}

interface RoundOptions {
  readonly rounds: number;
  readonly round_windows: number;
  readonly tokens: number;
  readonly learning_rate: number | 'auto';
  readonly batch: number;
}

/** Undefined without rounds. */
export function optimisationOf(
  { rounds, round_windows, tokens, learning_rate, batch }: RoundOptions,
  how: Pick<RegionalOptimisation, 'pruned' | 'regrow'>,
): RegionalOptimisation | undefined {
  if (rounds === 0) return undefined;
  return { rounds, windows: round_windows, tokens, learningRate: learning_rate, batch, ...how };
}

const options = z
  .strictObject(regionalOptions("Rounds of moving the block's survivors towards its dense output."))
  .describe("Moves the survivors of each block together, by RMSprop, towards the dense block's output.");

const NOTHING_KNOWN = { predictedLoss: null, damping: null, seconds: 0, notes: [] };

/** The block loop does the work, with what `optimisation` says. */
export const regionalMethod: Method = {
  name: 'regional',
  options,
  statistics: 'column norms',
  optimisation: (given) => optimisationOf(options.parse(given), { pruned: 'once before', regrow: false }),
  prune: async (_pool, { linears }) => new Map(linears.map(({ name }) => [name, NOTHING_KNOWN])),
  work: () => NO_WORK,
};
