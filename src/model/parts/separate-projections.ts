/**
 * Linears of attention that are tensors of their own.
 * @module
 */
import type { AttentionOptions } from './attention.js';
import type { AttentionSizes } from './attention-sizes.js';
import { ATTENTION_INPUT, ATTENTION_OUTPUT } from './input-groups.js';
import type { LinearPart } from './part.js';

/** Which of attention's linears have a bias. */
export interface AttentionBiases {
  readonly queryKeyValue?: boolean;
  readonly output?: boolean;
}

/**
 * The four linears of attention, each a tensor of its own.
 *
 * @param names of the module, and of the output projection in it; those of Llama when left out
 */
export function separateProjections(
  { hidden, heads, keyValueHeads, headDim }: AttentionSizes,
  biases: AttentionBiases,
  { module = 'self_attn', projection = 'o_proj' }: { module?: string; projection?: string } = {},
): Pick<AttentionOptions, 'query' | 'key' | 'value' | 'output'> {
  const input = (name: string, count: number): LinearPart => ({
    name: `${module}.${name}`,
    out: count * headDim,
    in: hidden,
    inputGroup: ATTENTION_INPUT,
    bias: biases.queryKeyValue,
  });
  return {
    query: input('q_proj', heads),
    key: input('k_proj', keyValueHeads),
    value: input('v_proj', keyValueHeads),
    output: {
      name: `${module}.${projection}`,
      out: hidden,
      in: heads * headDim,
      inputGroup: ATTENTION_OUTPUT,
      bias: biases.output,
    },
  };
}
