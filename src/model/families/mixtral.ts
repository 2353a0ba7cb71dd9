/**
 * Mixtral (Jiang et al. 2024, arXiv 2401.04088): Mistral's blocks with experts.
 * @module
 */
import { z } from 'zod';
import { configExperts, configSize } from '../config-size.js';
import { defineFamily } from '../family.js';
import { activationNamed } from '../parts/activations.js';
import { attentionSizes } from '../parts/attention-sizes.js';
import { expertCounts, gatedExperts, routerPart } from '../parts/experts.js';
import { gatedNames } from '../parts/feed-forward.js';
import { rmsNorms } from '../parts/norms.js';
import { decoderConfigShape, rmsNormShape, ropeDecoder } from '../parts/rope-decoder.js';
import { softmaxRouting } from '../parts/routings.js';
import { rotaryEmbedding } from '../rotary-embedding.js';

const configSchema = z.looseObject({
  ...decoderConfigShape,
  ...rmsNormShape,
  num_local_experts: configExperts.default(8),
  num_experts_per_tok: configExperts.default(2),
  sliding_window: configSize.nullish(),
  tie_word_embeddings: z.boolean().default(false),
});

const DEFAULTS = {
  vocab_size: 32_000,
  hidden_size: 4096,
  intermediate_size: 14_336,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  max_position_embeddings: 131_072,
  rms_norm_eps: 1e-5,
  rope_theta: 1_000_000,
};

export const mixtral = defineFamily(configSchema, {
  modelTypes: ['mixtral'],
  defaults: { mixtral: DEFAULTS },
  describe(config, names) {
    const { hidden, headDim } = attentionSizes(config);
    const { count, perToken } = expertCounts(
      config.num_local_experts,
      config.num_experts_per_tok,
      config.num_hidden_layers,
    );
    const attention = {
      rotary: rotaryEmbedding(config, { headDim }),
      window: config.sliding_window ?? undefined,
    };
    return ropeDecoder({
      family: 'mixtral',
      config,
      names,
      norm: rmsNorms(config.rms_norm_eps),
      tied: config.tie_word_embeddings,
      blockKind: () => ({ name: 'block', attention }),
      experts: (_, prefix) => {
        // As on the hub; fused as `transformers` may write it.
        const isFused = names.has(`${prefix}mlp.experts.gate_up_proj`);
        const branch = isFused ? 'mlp' : 'block_sparse_moe';
        return {
          router: routerPart({
            weight: `${branch}.gate.weight`,
            experts: count,
            hidden,
            routing: softmaxRouting(perToken, true),
          }),
          experts: gatedExperts({
            prefix,
            graphKey: 'mixtral expert',
            count,
            perToken,
            hidden,
            intermediate: config.intermediate_size,
            activation: activationNamed(config.hidden_act),
            names,
            list: `${branch}.experts`,
            linears: isFused ? gatedNames() : { gate: 'w1', up: 'w3', down: 'w2' },
          }),
        };
      },
    });
  },
});
