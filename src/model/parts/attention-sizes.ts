/**
 * Heads of attention and their sizes.
 * @module
 */
import { ConfigError } from '../config-error.js';
import { configHeadSize } from '../config-size.js';

export interface AttentionSizes {
  readonly hidden: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headDim: number;
}

/** @throws ConfigError when heads don't fit each other */
export function attentionSizes(config: {
  readonly hidden_size: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads?: number | null | undefined;
  readonly head_dim?: number | null | undefined;
}): AttentionSizes {
  const hidden = config.hidden_size;
  const heads = config.num_attention_heads;
  const keyValueHeads = config.num_key_value_heads ?? heads;
  const headDim = config.head_dim ?? hidden / heads;
  if (!configHeadSize.safeParse(headDim).success) {
    throw new ConfigError(
      `head size ${headDim} (hidden_size / num_attention_heads) is no whole number, or too large`,
    );
  }
  if (heads % keyValueHeads !== 0) {
    throw new ConfigError(
      `num_attention_heads ${heads} is not a multiple of num_key_value_heads ${keyValueHeads}`,
    );
  }
  return { hidden, heads, keyValueHeads, headDim };
}
