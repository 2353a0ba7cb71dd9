/**
 * Qwen2 and Qwen2.5 (Yang et al. 2024, arXiv 2407.10671), which have biases of q, k and v, and Qwen3 (Yang et al. 2025,
 * arXiv 2505.09388), which normalises the heads of q and k instead; and their text models that also see images.
 * @module
 */
import { z } from 'zod';
import { defineFamily } from '../family.js';
import { attentionSizes } from '../parts/attention-sizes.js';
import { headNorms, rmsNorms } from '../parts/norms.js';
import { optionalWindowShape, windowedBlock, windowOf } from '../parts/optional-windows.js';
import {
  attentionKinds,
  biasesOf,
  decoderConfigShape,
  rmsNormShape,
  ropeDecoder,
} from '../parts/rope-decoder.js';
import { rotaryEmbedding } from '../rotary-embedding.js';

const configSchema = z.looseObject({
  model_type: z.string(),
  ...decoderConfigShape,
  ...rmsNormShape,
  ...optionalWindowShape,
  attention_bias: z.boolean().default(false),
  tie_word_embeddings: z.boolean().default(false),
});

const DEFAULTS = {
  vocab_size: 151_936,
  hidden_size: 4096,
  intermediate_size: 22_016,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 32,
  max_position_embeddings: 32_768,
  sliding_window: 4096,
};
const VISION_DEFAULTS = {
  ...DEFAULTS,
  vocab_size: 152_064,
  hidden_size: 8192,
  intermediate_size: 29_568,
  num_hidden_layers: 80,
  num_attention_heads: 64,
  num_key_value_heads: 8,
  rms_norm_eps: 1e-5,
  max_window_layers: 80,
  rope_theta: 1_000_000,
};

export const qwen = defineFamily(configSchema, {
  modelTypes: ['qwen2', 'qwen3', 'qwen2_vl_text', 'qwen2_5_vl_text', 'qwen3_vl_text'],
  defaults: {
    qwen2: DEFAULTS,
    qwen3: { ...DEFAULTS, head_dim: 128 },
    qwen2_vl_text: VISION_DEFAULTS,
    qwen2_5_vl_text: VISION_DEFAULTS,
    qwen3_vl_text: { ...DEFAULTS, head_dim: 128, max_position_embeddings: 128_000, rope_theta: 500_000 },
  },
  describe(config, names) {
    const isThird = config.model_type.startsWith('qwen3');
    const sizes = attentionSizes(config);
    const norm = rmsNorms(config.rms_norm_eps);
    const slides = windowOf(config);
    const kindOf = attentionKinds(
      config,
      (index) => slides !== undefined && index >= config.max_window_layers,
    );
    const attention = {
      rotary: rotaryEmbedding(config, sizes),
      ...(isThird ? headNorms(norm, sizes) : {}),
    };
    return ropeDecoder({
      family: config.model_type,
      config,
      names,
      norm,
      tied: config.tie_word_embeddings,
      biases: isThird ? biasesOf(config) : { queryKeyValue: true },
      blockKind: (index) =>
        windowedBlock(attention, kindOf(index) === 'sliding_attention' ? slides : undefined),
    });
  },
});
