/**
 * Magnitude pruning, of each matrix alone or with one cut over many, at a fraction or at a threshold (Han et al. 2015,
 * arXiv 1506.02626).
 *
 * A cut over many matrices gives each a sparsity of its own. It is found before any is pruned, as an allocation is; each
 * then loses its smallest weights.
 * @module
 */
import { z } from 'zod';
import { magnitude } from '../../scores/magnitude.js';
import { magnitudeCut } from '../allocations/magnitude-cut.js';
import type { Method } from './method.js';
import { scoreMethod } from './score-method.js';

const options = z
  .strictObject({
    scope: z
      .enum(['tensor', 'row', 'block', 'model'])
      .default('tensor')
      .describe(
        'Weights among which the smallest go: those of the matrix, of each row, of all pruned linears of a transformer block, or of all there are. N:M has its groups; block and model then give each matrix an N of its own.',
      ),
    threshold: z
      .number()
      .positive()
      .exactOptional()
      .describe('Every |weight| below it goes: in the place of sparsity and pattern, whatever the scope.'),
  })
  .describe('Magnitude: the smallest weights go.');

type MagnitudeOptions = z.output<typeof options>;

const ofMatrix = scoreMethod(magnitude, z.strictObject({}));

/** What is left to do in a matrix when the cut over many has been found. */
function withinMatrix(given: unknown): { readonly scope: 'tensor' | 'row' } {
  const { scope, threshold } = given as MagnitudeOptions;
  return { scope: scope === 'row' && threshold === undefined ? 'row' : 'tensor' };
}

export const magnitudeMethod: Method = {
  name: magnitude.name,
  options,
  statistics: ofMatrix.statistics,
  goalOption: 'threshold',
  comparesRows: (given) => withinMatrix(given).scope === 'row',
  prune: (pool, group, given, oneLinear) => ofMatrix.prune(pool, group, withinMatrix(given), oneLinear),
  async pruneStored(pool, linear, given) {
    const { pruneStored } = ofMatrix;
    if (!pruneStored) throw new Error('magnitude needs no statistics');
    return await pruneStored(pool, linear, withinMatrix(given));
  },
  work: (group, given) => ofMatrix.work(group, withinMatrix(given)),
  allocation(given) {
    const { scope, threshold } = given as MagnitudeOptions;
    if (threshold !== undefined) {
      return { reason: 'options.threshold', allocation: magnitudeCut, options: { threshold } };
    }
    if (scope === 'tensor' || scope === 'row') return undefined;
    return { reason: `options.scope ${scope}`, allocation: magnitudeCut, options: { scope } };
  },
};
