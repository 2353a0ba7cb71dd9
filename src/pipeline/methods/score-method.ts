/**
 * A score alone as a method: the weights it ranks lowest go, the others stay as they are.
 * @module
 */
import { z } from 'zod';
import { forEach } from '../../runtime/for-each.js';
import type { Score } from '../../scores/score.js';
import { histogramBytes, pruneByScore } from '../../sparsity/prune-by-score.js';
import { columnNorms } from '../../statistics/group-statistics.js';
import { type Method, type MethodOutcome, NO_WORK } from './method.js';
import { gradientTokens } from './options.js';

const gradientOptions = {
  windows: z
    .int()
    .min(1)
    .default(32)
    .describe('Calibration windows, from the first, whose gradients count; where gradients are asked for.'),
  tokens: gradientTokens(', where gradients are asked for'),
};

/** @param own the score's own options in the run file, each with a default */
export function scoreMethod(score: Score, own: z.ZodObject): Method {
  const scope = z
    .enum(['tensor', 'row'])
    .default(score.comparisonGroup)
    .describe(
      'Weights among which the smallest scores go: those of the matrix, or of each row. N:M has its groups.',
    );
  const gradients = score.gradients ? gradientOptions : {};
  const options = own.extend({ scope, ...gradients, ...own.shape }).describe(own.description ?? score.name);
  const choices = (given: unknown) => ({
    options: given,
    comparisonGroup: scope.parse((given as { scope?: unknown }).scope),
  });
  const inMemory: Method = {
    name: score.name,
    options,
    statistics: score.statistics,
    comparesRows: (given) => choices(given).comparisonGroup === 'row',
    gradients(given) {
      const moments = score.gradients?.(given) ?? [];
      if (moments.length === 0) return undefined;
      const { gradientsOf = 'cross-entropy' } = score;
      const { windows, tokens } = given as { windows: number; tokens: number };
      return { of: gradientsOf, windows, tokens, moments };
    },
    async prune(pool, { linears, statistics, windowTokens: tokens }, given, oneLinear) {
      const norms = columnNorms(statistics);
      const outcomes = new Map<string, MethodOutcome>();
      await forEach(linears, oneLinear, async (linear) => {
        const started = performance.now();
        await pruneByScore(pool, score, { ...linear, columnNorms: norms, tokens }, choices(given));
        outcomes.set(linear.name, outcomeSince(started));
      });
      return outcomes;
    },
    work({ linears }) {
      const sizes = linears.map((linear) => linear.out * linear.in);
      const scored = sizes.reduce((sum, size) => sum + size, 0);
      return { ...NO_WORK, bytes: { group: 0, linears: sizes.map(histogramBytes) }, scored };
    },
  };
  if (score.statistics !== 'none') return inMemory;
  return {
    ...inMemory,
    async pruneStored(pool, { matrix, ...linear }, given) {
      const started = performance.now();
      const problem = { ...linear, weights: matrix, columnNorms: undefined };
      const zeros = await pruneByScore(pool, score, problem, choices(given));
      return { ...outcomeSince(started), zeros };
    },
  };
}

function outcomeSince(started: number): MethodOutcome {
  return {
    predictedLoss: null,
    damping: null,
    seconds: (performance.now() - started) / 1000,
    notes: [],
  };
}
