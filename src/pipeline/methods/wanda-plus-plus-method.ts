/**
 * Wanda++ (Yang et al. 2025, arXiv 2503.04992): the regional gradient score, with rounds of regional optimisation before.
 * @module
 */
import { z } from 'zod';
import { wandaPlusPlus } from '../../scores/wanda-plus-plus.js';
import type { Method } from './method.js';
import { scoreMethod } from './score-method.js';

/**
 * Names and defaults are the paper's: alpha 100, gradients over all of its 128 samples, 5 rounds over 32 samples each, and
 * RMSprop at 3e-7 with a step for every sample.
 */
const options = z
  .strictObject({
    alpha: z
      .number()
      .min(0)
      .max(1e9)
      .default(100)
      .describe('How much the gradient counts beside the norm of the input over 128 windows.'),
    windows: z
      .int()
      .min(1)
      .default(128)
      .describe('Calibration windows, from the first, whose gradients count.'),
    rounds: z
      .int()
      .min(0)
      .max(1000)
      .default(5)
      .describe('Rounds of pruning the block and moving its weights towards its dense output; 0 for none.'),
    round_windows: z
      .int()
      .min(1)
      .default(32)
      .describe('Calibration windows of a round, at most; the rounds take all windows in turn.'),
    learning_rate: z
      .number()
      .positive()
      .max(1)
      .default(3e-7)
      .describe("RMSprop's; a step is up to ten times as large. Small models profit from more."),
    batch: z
      .int()
      .min(1)
      .max(64)
      .default(1)
      .describe('Windows of a step. Their gradients are all in memory, and computed by as many workers.'),
    regrow: z
      .boolean()
      .default(false)
      .describe(
        'Whether steps move pruned weights too, so that each round and the end choose new masks; otherwise the mask of the first round stays.',
      ),
  })
  .describe(
    "Wanda++: in every row, the smallest |weight| · (input norm + alpha · gradient of the block's output norm) go, after rounds of optimising the block.",
  );

const score = scoreMethod(wandaPlusPlus, options);

export const wandaPlusPlusMethod: Method = {
  ...score,
  optimisation(given) {
    const { rounds, round_windows, learning_rate, batch, regrow } = options.loose().parse(given);
    if (rounds === 0) return undefined;
    return { rounds, windows: round_windows, learningRate: learning_rate, batch, regrow };
  },
};
