/**
 * StableLM (Bellagente et al. 2024, arXiv 2402.17834): layer normalisation, and a part of each head is rotated; the one of 12
 * billion parameters normalises q and k and has both branches read the same.
 * @module
 */
import { z } from 'zod';
import { defineFamily } from '../family.js';
import { activationNamed } from '../parts/activations.js';
import { attentionPart } from '../parts/attention.js';
import { causalModel, separateHead } from '../parts/causal-model.js';
import { gatedFeedForward } from '../parts/feed-forward.js';
import { layerNorms, perHeadWeights } from '../parts/norms.js';
import { blockOf } from '../parts/part.js';
import { parallelResiduals, sequentialResiduals } from '../parts/residuals.js';
import {
  attentionSizes,
  decoderConfigShape,
  decoderPrefix,
  separateFeedForward,
  separateProjections,
} from '../parts/rope-decoder.js';
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
  describe(config, names) {
    const { layer_norm_eps: epsilon, use_parallel_residual: isParallel } = config;
    const sizes = attentionSizes({ ...config, head_dim: undefined });
    const { hidden, heads, keyValueHeads, headDim } = sizes;
    const norm = layerNorms(epsilon, { bias: true });
    const headNorm = (name: string, count: number) => {
      if (!config.qk_layernorm) return undefined;
      const weights = Array.from({ length: count }, (_, head) => `self_attn.${name}.norms.${head}.weight`);
      return perHeadWeights(weights, { heads: count, headDim, epsilon });
    };
    const projections = separateProjections(sizes, { queryKeyValue: config.use_qkv_bias });
    const attention = attentionPart({
      ...sizes,
      ...projections,
      queryNorm: headNorm('q_layernorm', heads),
      keyNorm: headNorm('k_layernorm', keyValueHeads),
      rotary: rotaryEmbedding(config, { headDim }),
    });
    const inputGroup = isParallel ? projections.query.inputGroup : undefined;
    const feedForward = gatedFeedForward(
      separateFeedForward(hidden, config.intermediate_size, false, inputGroup),
      activationNamed(config.hidden_act),
    );
    const first = norm('input_layernorm', hidden);
    const { parts, forward } = isParallel
      ? parallelResiduals([{ part: attention }, { part: feedForward }], first)
      : sequentialResiduals([
          { before: first, part: attention },
          { before: norm('post_attention_layernorm', hidden), part: feedForward },
        ]);
    const prefix = decoderPrefix(names);
    const blocks = Array.from({ length: config.num_hidden_layers }, (_, index) =>
      blockOf(parts, {
        prefix: `${prefix}layers.${index}.`,
        hiddenSize: hidden,
        graphKey: 'stablelm',
        forward,
      }),
    );
    return causalModel({
      family: 'stablelm',
      hiddenSize: hidden,
      vocabularySize: config.vocab_size,
      maxSequenceLength: config.max_position_embeddings,
      blocks,
      embedding: `${prefix}embed_tokens.weight`,
      norm: norm(`${prefix}norm`, hidden),
      head: separateHead(names, config.tie_word_embeddings),
    });
  },
});
