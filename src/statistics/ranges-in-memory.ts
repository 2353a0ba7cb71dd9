/**
 * How many ranges of tokens wait in memory while products of their activations are added up.
 * @module
 */

/** Tokens that are added at a time: enough for GEMM at full speed. */
const BATCH_TOKENS = 2048;

/** How ranges share memory; what is summed, and how, doesn't depend on it. */
export interface RangesInMemory {
  /** Whose activations wait in memory: one batch is added up while the next is computed. */
  readonly inFlight: number;
  /** That are added up at a time. */
  readonly batch: number;
}

/** @param most that may be in memory */
export function rangesInMemory(tokens: number, workers: number, most: number): RangesInMemory {
  const full = Math.max(1, Math.floor(BATCH_TOKENS / tokens));
  const inFlight = Math.min(full + Math.max(full, workers), most);
  return { inFlight, batch: Math.min(full, Math.max(1, Math.floor(inFlight / 2))) };
}
