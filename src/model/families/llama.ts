/**
 * Llama 1, 2 and 3 (Touvron et al. 2023, arXiv 2302.13971; Grattafiori et al. 2024, arXiv 2407.21783), and
 * Mistral (Jiang et al. 2023, arXiv 2310.06825), which adds a sliding window.
 * @module
 */
import { z } from 'zod';
import { configSize } from '../config-size.js';
import type { Family } from '../family.js';
import { rmsNorms } from '../parts/norms.js';
import { attentionSizes, decoderConfigShape, rmsNormShape, ropeDecoder } from '../parts/rope-decoder.js';
import { rotaryEmbedding } from '../rotary-embedding.js';

const configSchema = z.looseObject({
  model_type: z.string(),
  ...decoderConfigShape,
  ...rmsNormShape,
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  sliding_window: configSize.nullish(),
  tie_word_embeddings: z.boolean().default(false),
});

export const llama: Family = {
  modelTypes: ['llama', 'mistral'],
  configSchema,
  describe(raw, names) {
    const config = configSchema.parse(raw);
    const window = config.model_type === 'mistral' ? (config.sliding_window ?? undefined) : undefined;
    const { headDim } = attentionSizes(config);
    const attention = { rotary: rotaryEmbedding(config, { headDim }), window };
    return ropeDecoder({
      family: config.model_type,
      config,
      names,
      norm: rmsNorms(config.rms_norm_eps),
      tied: config.tie_word_embeddings,
      biases: {
        queryKeyValue: config.attention_bias,
        output: config.attention_bias,
        feedForward: config.mlp_bias,
      },
      blockKind: () => ({ name: 'block', attention }),
    });
  },
};
