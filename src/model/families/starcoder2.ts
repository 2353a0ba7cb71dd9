/**
 * StarCoder2 (Lozhkov et al. 2024, arXiv 2402.19173): layer normalisation, a plain feed-forward network, a sliding window.
 * @module
 */
import { z } from 'zod';
import { configSize } from '../config-size.js';
import type { Family } from '../family.js';
import { activationNamed } from '../parts/activations.js';
import { plainFeedForward, plainLinears } from '../parts/feed-forward.js';
import { layerNorms } from '../parts/norms.js';
import { attentionSizes, decoderConfigShape, ropeDecoder } from '../parts/rope-decoder.js';
import { rotaryEmbedding } from '../rotary-embedding.js';

const configSchema = z.looseObject({
  ...decoderConfigShape,
  num_key_value_heads: configSize.default(2),
  hidden_act: z.string().default('gelu_pytorch_tanh'),
  max_position_embeddings: configSize.default(4096),
  norm_epsilon: z.number().positive().default(1e-5),
  sliding_window: configSize.nullish(),
  use_bias: z.boolean().default(true),
  tie_word_embeddings: z.boolean().default(true),
});

export const starcoder2: Family = {
  modelTypes: ['starcoder2'],
  configSchema,
  describe(raw, names) {
    const config = configSchema.parse(raw);
    const { use_bias: bias } = config;
    const { hidden, headDim } = attentionSizes(config);
    const attention = {
      rotary: rotaryEmbedding(config, { headDim }),
      window: config.sliding_window ?? undefined,
    };
    return ropeDecoder({
      family: 'starcoder2',
      config,
      names,
      norm: layerNorms(config.norm_epsilon, { bias: true }),
      tied: config.tie_word_embeddings,
      biases: { queryKeyValue: bias, output: bias },
      blockKind: () => ({ name: 'block', attention }),
      feedForward: plainFeedForward(
        plainLinears(
          { up: 'mlp.c_fc', down: 'mlp.c_proj' },
          { hidden, intermediate: config.intermediate_size, bias },
        ),
        activationNamed(config.hidden_act),
      ),
    });
  },
};
