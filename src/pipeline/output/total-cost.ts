/**
 * What several pieces of work took together.
 * @module
 */
import type { Cost } from '../../report/report-schema.js';

/** All seconds, and the most memory; undefined of nothing. */
export function totalCost(costs: readonly Cost[]): Cost | undefined {
  if (costs.length === 0) return undefined;
  return {
    seconds: costs.reduce((sum, { seconds }) => sum + seconds, 0),
    peak_rss_bytes: Math.max(...costs.map((each) => each.peak_rss_bytes)),
  };
}
