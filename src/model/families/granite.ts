/**
 * Granite 3 (Granite Team 2024, "Granite 3.0 Language Models"): Llama's blocks with factors of embeddings, attention, branches
 * and logits (maximal update parametrisation, Yang et al. 2022, arXiv 2203.03466).
 * @module
 */
import { z } from 'zod';
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
  ...decoderConfigShape,
  ...rmsNormShape,
  ...biasesShape,
  embedding_multiplier: z.number().default(1),
  logits_scaling: z.number().positive().default(1),
  residual_multiplier: z.number().default(1),
  attention_multiplier: z.number().default(1),
  tie_word_embeddings: z.boolean().default(false),
});

const DEFAULTS = {
  vocab_size: 32_000,
  hidden_size: 4096,
  intermediate_size: 11_008,
  num_hidden_layers: 32,
  num_attention_heads: 32,
};

export const granite = defineFamily(configSchema, {
  modelTypes: ['granite'],
  defaults: { granite: DEFAULTS },
  describe(config, names) {
    const { headDim } = attentionSizes(config);
    const attention = { rotary: rotaryEmbedding(config, { headDim }), scale: config.attention_multiplier };
    return ropeDecoder({
      family: 'granite',
      config,
      names,
      norm: rmsNorms(config.rms_norm_eps),
      tied: config.tie_word_embeddings,
      biases: biasesOf(config),
      blockKind: () => ({ name: 'block', attention }),
      embeddingScale: config.embedding_multiplier,
      residualScale: config.residual_multiplier,
      logitScale: 1 / config.logits_scaling,
    });
  },
});
