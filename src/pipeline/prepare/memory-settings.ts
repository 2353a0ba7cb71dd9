/**
 * How much of a run is in memory at a time. The results don't depend on it, to the bit.
 * @module
 */

export interface MemorySettings {
  /** Worker threads. */
  readonly workers: number;
  /** Ranges of tokens whose activations for Gram matrices are in memory at a time; as many as are useful, at most. */
  readonly activations: number;
  /** Whether the linears of a pass are pruned one after the other, instead of all at the same time. */
  readonly oneLinear: boolean;
  /** Tokens whose logits against a slice of the vocabulary are in memory at a time, in each worker. */
  readonly logitTokens: number;
}

/** Tokens of a logits chunk that GEMM needs for its full speed, and the fewest. */
const LOGIT_TOKENS = { most: 256, fewest: 64 };

/** The fastest settings for that many workers. */
export function roomySettings(workers: number): MemorySettings {
  return {
    workers,
    activations: Number.POSITIVE_INFINITY,
    oneLinear: false,
    logitTokens: LOGIT_TOKENS.most,
  };
}

/** From the fastest to the smallest: first what costs little time, then workers. */
export function shrinkingSettings(workers: number): MemorySettings[] {
  const steps = Array.from({ length: workers }, (_, index) => workers - index).flatMap((count) => {
    const roomy = roomySettings(count);
    const oneLinear = { ...roomy, oneLinear: true };
    const tight = { ...oneLinear, logitTokens: LOGIT_TOKENS.fewest };
    return [
      roomy,
      oneLinear,
      { ...tight, activations: count + 1 },
      ...(count > 1 ? [{ ...tight, activations: count }] : []),
    ];
  });
  return [...steps, { workers: 1, activations: 1, oneLinear: true, logitTokens: LOGIT_TOKENS.fewest }];
}
