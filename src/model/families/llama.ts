/**
 * Llama 1, 2 and 3 (Touvron et al. 2023, arXiv 2302.13971; Grattafiori et al. 2024, arXiv 2407.21783), and
 * Mistral (Jiang et al. 2023, arXiv 2310.06825), which adds a sliding window.
 * @module
 */
import { z } from 'zod';
import { configSize } from '../config-size.js';
import { defineFamily } from '../family.js';
import { attentionSizes } from '../parts/attention-sizes.js';
import { rmsNorms } from '../parts/norms.js';
import {
  biasesOf,
  biasesShape,
  decoderConfigShape,
  rmsNormShape,
  ropeDecoder,
} from '../parts/rope-decoder.js';
import { rotaryEmbedding } from '../rotary-embedding.js';

const configSchema = z.looseObject({
  model_type: z.string(),
  ...decoderConfigShape,
  ...rmsNormShape,
  ...biasesShape,
  sliding_window: configSize.nullish(),
  tie_word_embeddings: z.boolean().default(false),
});

const SIZES = { vocab_size: 32_000, hidden_size: 4096, num_hidden_layers: 32, num_attention_heads: 32 };

export const llama = defineFamily(configSchema, {
  modelTypes: ['llama', 'mistral'],
  defaults: {
    llama: { ...SIZES, intermediate_size: 11_008 },
    mistral: {
      ...SIZES,
      intermediate_size: 14_336,
      num_key_value_heads: 8,
      max_position_embeddings: 131_072,
      sliding_window: 4096,
    },
  },
  describe(config, names) {
    const { headDim } = attentionSizes(config);
    const isMistral = config.model_type === 'mistral';
    const attention = {
      rotary: rotaryEmbedding(config, { headDim }),
      window: isMistral ? (config.sliding_window ?? undefined) : undefined,
    };
    return ropeDecoder({
      family: config.model_type,
      config,
      names,
      norm: rmsNorms(config.rms_norm_eps),
      tied: config.tie_word_embeddings,
      // Mistral's linears have none, whatever its config says.
      biases: isMistral ? {} : biasesOf(config),
      blockKind: () => ({ name: 'block', attention }),
    });
  },
});
