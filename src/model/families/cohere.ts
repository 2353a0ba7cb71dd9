/**
 * Command R (`cohere`) and Command R7B and A (`cohere2`; Cohere 2025, arXiv 2504.00698): attention and feed-forward network
 * read the same layer normalisation, rotary positions turn neighbouring dimensions, and logits are scaled. Blocks of `cohere2` with
 * a window have rotary positions, those without have none.
 * @module
 */
import { z } from 'zod';
import { configSize } from '../config-size.js';
import { defineFamily } from '../family.js';
import { attentionSizes } from '../parts/attention-sizes.js';
import { layerNorms, perHeadWeights } from '../parts/norms.js';
import {
  attentionKinds,
  type BlockKind,
  biasesOf,
  decoderConfigShape,
  layerTypesShape,
  ropeDecoder,
  slidesBetween,
} from '../parts/rope-decoder.js';
import { rotaryEmbedding } from '../rotary-embedding.js';

const sharedShape = {
  ...decoderConfigShape,
  layer_norm_eps: z.number().positive().default(1e-5),
  max_position_embeddings: configSize.default(8192),
  attention_bias: z.boolean().default(false),
  logit_scale: z.number().positive().default(0.0625),
  tie_word_embeddings: z.boolean().default(true),
};

const configSchema = z.discriminatedUnion('model_type', [
  z.looseObject({
    model_type: z.literal('cohere'),
    ...sharedShape,
    use_qk_norm: z.boolean().nullish(),
  }),
  z.looseObject({
    model_type: z.literal('cohere2'),
    ...sharedShape,
    ...layerTypesShape,
    sliding_window: configSize.nullish().default(4096),
    /** Every so many blocks one sees everything. */
    sliding_window_pattern: z.int().positive().default(4),
  }),
]);

type CohereConfig = z.infer<typeof configSchema>;

const SIZES = {
  vocab_size: 256_000,
  hidden_size: 8192,
  intermediate_size: 22_528,
  num_hidden_layers: 40,
  num_attention_heads: 64,
};

export const cohere = defineFamily(configSchema, {
  modelTypes: ['cohere', 'cohere2'],
  defaults: { cohere: { ...SIZES, rope_theta: 500_000 }, cohere2: SIZES },
  describe(parsed, names) {
    // Cohere 2 derives it from the other sizes, whatever the config says.
    const config = parsed.model_type === 'cohere2' ? { ...parsed, head_dim: undefined } : parsed;
    return ropeDecoder({
      family: config.model_type,
      config,
      names,
      norm: layerNorms(config.layer_norm_eps, { bias: false }),
      tied: config.tie_word_embeddings,
      biases: biasesOf(config),
      isParallel: true,
      norms: { beforeAttention: 'input_layernorm' },
      blockKind: blockKinds(config),
      logitScale: config.logit_scale,
    });
  },
});

function blockKinds(config: CohereConfig): (index: number) => BlockKind {
  const { heads, keyValueHeads, headDim } = attentionSizes(config);
  if (config.model_type === 'cohere') {
    const rotary = rotaryEmbedding(config, { headDim, interleaved: true });
    const normed = (name: string, count: number) =>
      config.use_qk_norm
        ? perHeadWeights(`self_attn.${name}.weight`, {
            heads: count,
            headDim,
            epsilon: config.layer_norm_eps,
          })
        : undefined;
    const queryNorm = normed('q_norm', heads);
    const keyNorm = normed('k_norm', keyValueHeads);
    return () => ({ name: 'block', attention: { rotary, queryNorm, keyNorm } });
  }
  const rotary = rotaryEmbedding(config, { headDim, interleaved: true });
  const kindOf = attentionKinds(config, slidesBetween(config.sliding_window_pattern));
  return (index) => {
    const kind = kindOf(index);
    const window = kind === 'sliding_attention' ? (config.sliding_window ?? undefined) : undefined;
    return { name: kind, attention: { rotary: window === undefined ? undefined : rotary, window } };
  };
}
