/**
 * SmolLM3 (Bakouch et al. 2025, "SmolLM3: smol, multilingual, long-context reasoner"): every fourth block attends without
 * positions (NoPE, Kazemnejad et al. 2023, arXiv 2305.19466).
 * @module
 */
import { z } from 'zod';
import { ConfigError } from '../config-error.js';
import { defineFamily } from '../family.js';
import { attentionSizes } from '../parts/attention-sizes.js';
import { rmsNorms } from '../parts/norms.js';
import {
  attentionKinds,
  biasesOf,
  biasesShape,
  decoderConfigShape,
  layerTypesShape,
  rmsNormShape,
  ropeDecoder,
} from '../parts/rope-decoder.js';
import { rotaryEmbedding } from '../rotary-embedding.js';

const configSchema = z.looseObject({
  ...decoderConfigShape,
  ...rmsNormShape,
  ...layerTypesShape,
  ...biasesShape,
  use_sliding_window: z.boolean().default(false),
  no_rope_layers: z.array(z.int()).nullish(),
  no_rope_layer_interval: z.int().positive().default(4),
  tie_word_embeddings: z.boolean().default(true),
});

const DEFAULTS = {
  vocab_size: 128_256,
  hidden_size: 2048,
  intermediate_size: 11_008,
  num_hidden_layers: 36,
  num_attention_heads: 16,
  num_key_value_heads: 4,
  max_position_embeddings: 32_768,
  rope_theta: 2_000_000,
};

export const smollm3 = defineFamily(configSchema, {
  modelTypes: ['smollm3'],
  defaults: { smollm3: DEFAULTS },
  describe(config, names) {
    const { headDim } = attentionSizes(config);
    const embedding = rotaryEmbedding(config, { headDim });
    const { no_rope_layers: roped, num_hidden_layers: blocks } = config;
    if (roped && roped.length < blocks) {
      throw new ConfigError(`no_rope_layers has ${roped.length} entries for num_hidden_layers ${blocks}`);
    }
    // The list says of each block whether it has positions, whatever its name.
    const hasRope = (index: number) =>
      roped ? roped[index] !== 0 : (index + 1) % config.no_rope_layer_interval !== 0;
    const window = config.sliding_window ?? undefined;
    // Blocks that the list says to have a window have it in any case.
    const kindOf = attentionKinds(
      config,
      (index) => config.use_sliding_window && window !== undefined && !hasRope(index),
    );
    return ropeDecoder({
      family: 'smollm3',
      config,
      names,
      norm: rmsNorms(config.rms_norm_eps),
      tied: config.tie_word_embeddings,
      biases: biasesOf(config),
      blockKind(index) {
        const kind = kindOf(index);
        const rotary = hasRope(index) ? embedding : undefined;
        const attention = { rotary, window: kind === 'sliding_attention' ? window : undefined };
        return { name: `${kind}${rotary ? '' : ' without positions'}`, attention };
      },
    });
  },
});
