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
  return {
    name: score.name,
    options: z.strictObject({}).describe(description),
    statistics: score.statistics,
    async prune(pool, { linears, statistics }, _options, oneLinear) {
      const norms = statistics && score.statistics !== 'none' ? columnNorms(statistics) : undefined;
      const outcomes = new Map<string, MethodOutcome>();
      await forEach(linears, oneLinear, async (linear) => {
        const started = performance.now();
        await pruneByScore(pool, score, { ...linear, columnNorms: norms });
        const seconds = (performance.now() - started) / 1000;
        outcomes.set(linear.name, { predictedLoss: null, damping: null, seconds, notes: [] });
      });
      return outcomes;
    },
  };
}
