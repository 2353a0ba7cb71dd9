/**
 * A score alone as a method: the weights it ranks lowest go, the others stay as they are.
 * @module
 */
import { z } from 'zod';
import { forEach } from '../../runtime/for-each.js';
import type { Score } from '../../scores/score.js';
import { pruneByScore } from '../../sparsity/prune-by-score.js';
import { columnNorms } from '../../statistics/group-statistics.js';
import type { Method, MethodOutcome } from './method.js';

export function scoreMethod(score: Score, description: string): Method {
  const named = { name: score.name, options: z.strictObject({}).describe(description) };
  if (score.statistics === 'none') {
    return {
      ...named,
      statistics: score.statistics,
      async pruneStored(pool, { name, matrix, pattern }) {
        const started = performance.now();
        const problem = { name, weights: matrix, columnNorms: undefined, pattern };
        const zeros = await pruneByScore(pool, score, problem);
        return { ...outcomeSince(started), zeros };
      },
    };
  }
  return {
    ...named,
    statistics: score.statistics,
    async prune(pool, { linears, statistics }, _options, oneLinear) {
      const norms = columnNorms(statistics);
      const outcomes = new Map<string, MethodOutcome>();
      await forEach(linears, oneLinear, async (linear) => {
        const started = performance.now();
        await pruneByScore(pool, score, { ...linear, columnNorms: norms });
        outcomes.set(linear.name, outcomeSince(started));
      });
      return outcomes;
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
