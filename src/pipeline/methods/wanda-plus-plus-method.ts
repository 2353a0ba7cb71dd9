/**
 * Wanda++ (Yang et al. 2025, arXiv 2503.04992): the regional gradient score, with rounds of regional optimisation before.
 * @module
 */
import { z } from 'zod';
import { wandaPlusPlus } from '../../scores/wanda-plus-plus.js';
import type { Method } from './method.js';
import { optimisationOf, regionalOptions } from './regional-method.js';
import { scoreMethod } from './score-method.js';

/** The paper's: alpha 100, and gradients over all of its 128 samples. */
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
    ...regionalOptions(
      'Rounds of pruning the block and moving its weights towards its dense output; 0 for none.',
    ),
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
    const { regrow, ...rounds } = options.loose().parse(given);
    return optimisationOf(rounds, { pruned: 'in rounds', regrow });
  },
};
