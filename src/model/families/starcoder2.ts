/**
 * StarCoder2 (Lozhkov et al. 2024, arXiv 2402.19173): layer normalisation, a plain feed-forward network, a sliding window.
 * @module
 */
import { z } from 'zod';
import { configSize } from '../config-size.js';
import { defineFamily } from '../family.js';
import { activationNamed } from '../parts/activations.js';
import { attentionSizes } from '../parts/attention-sizes.js';
import { plainFeedForward, plainLinears } from '../parts/feed-forward.js';
import { layerNorms } from '../parts/norms.js';
import { decoderConfigShape, ropeDecoder } from '../parts/rope-decoder.js';
import { rotaryEmbedding } from '../rotary-embedding.js';

const configSchema = z.looseObject({
  ...decoderConfigShape,
  norm_epsilon: z.number().positive().default(1e-5),
  sliding_window: configSize.nullish(),
  use_bias: z.boolean().default(true),
  tie_word_embeddings: z.boolean().default(true),
});

const DEFAULTS = {
  vocab_size: 49_152,
  hidden_size: 3072,
  intermediate_size: 12_288,
  num_hidden_layers: 30,
  num_attention_heads: 24,
  num_key_value_heads: 2,
  hidden_act: 'gelu_pytorch_tanh',
  max_position_embeddings: 4096,
};

export const starcoder2 = defineFamily(configSchema, {
  modelTypes: ['starcoder2'],
  defaults: { starcoder2: DEFAULTS },
  describe(config, names) {
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
});
