/**
 * StableLM (Bellagente et al. 2024, arXiv 2402.17834): layer normalisation, and a part of each head is rotated; the one of 12
 * billion parameters normalises q and k and has both branches read the same.
 * @module
 */
import { z } from 'zod';
import { ConfigError } from '../config-error.js';
import { MAX_ALL_HEADS } from '../config-size.js';
import { defineFamily } from '../family.js';
import { attentionSizes } from '../parts/attention-sizes.js';
import { layerNorms, perHeadWeights } from '../parts/norms.js';
import { decoderConfigShape, ropeDecoder } from '../parts/rope-decoder.js';
import { rotaryEmbedding } from '../rotary-embedding.js';

const configSchema = z.looseObject({
  ...decoderConfigShape,
  layer_norm_eps: z.number().positive().default(1e-5),
  use_qkv_bias: z.boolean().default(false),
  qk_layernorm: z.boolean().default(false),
  use_parallel_residual: z.boolean().default(false),
  tie_word_embeddings: z.boolean().default(false),
});

const DEFAULTS = {
  vocab_size: 50_304,
  hidden_size: 2560,
  intermediate_size: 6912,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 32,
  max_position_embeddings: 4096,
  partial_rotary_factor: 0.25,
};

export const stablelm = defineFamily(configSchema, {
  modelTypes: ['stablelm'],
  defaults: { stablelm: DEFAULTS },
  describe(parsed, names) {
    // Whatever the config says.
    const config = { ...parsed, head_dim: undefined };
    const { layer_norm_eps: epsilon, use_parallel_residual: isParallel } = config;
    const { heads, keyValueHeads, headDim } = attentionSizes(config);
    const { qk_layernorm: isNormed, num_hidden_layers: count } = config;
    if (isNormed && count * (heads + keyValueHeads) > MAX_ALL_HEADS) {
      throw new ConfigError(
        `qk_layernorm in ${count} blocks of ${heads} and ${keyValueHeads} heads; no more than ${MAX_ALL_HEADS} heads are read`,
      );
    }
    const headNorm = (name: string, count: number) => {
      if (!isNormed) return undefined;
      const weights = Array.from({ length: count }, (_, head) => `self_attn.${name}.norms.${head}.weight`);
      return perHeadWeights(weights, { heads: count, headDim, epsilon });
    };
    const attention = {
      queryNorm: headNorm('q_layernorm', heads),
      keyNorm: headNorm('k_layernorm', keyValueHeads),
      rotary: rotaryEmbedding(config, { headDim, isPartial: true }),
    };
    return ropeDecoder({
      family: 'stablelm',
      config,
      names,
      norm: layerNorms(epsilon, { bias: true }),
      tied: config.tie_word_embeddings,
      biases: { queryKeyValue: config.use_qkv_bias },
      isParallel,
      norms: isParallel ? { beforeAttention: 'input_layernorm' } : undefined,
      blockKind: () => ({ name: 'block', attention }),
    });
  },
});
