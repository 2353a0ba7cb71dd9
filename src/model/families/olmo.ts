/**
 * OLMo 1 (Groeneveld et al. 2024, arXiv 2402.00838), whose layer normalisation has no weights and whose q, k and v may be
 * clamped, and OLMo 2 (OLMo Team 2024, arXiv 2501.00656), which normalises what the branches give, and all of q and of k.
 * @module
 */
import { z } from 'zod';
import { clamp } from '../../graph/operators/arithmetic.js';
import type { Family } from '../family.js';
import type { AttentionOptions } from '../parts/attention.js';
import { layerNorms, rmsNorms } from '../parts/norms.js';
import { attentionSizes, decoderConfigShape, ropeDecoder } from '../parts/rope-decoder.js';
import { rotaryEmbedding } from '../rotary-embedding.js';

const configSchema = z.looseObject({
  model_type: z.string(),
  ...decoderConfigShape,
  /** Of OLMo 2. */
  rms_norm_eps: z.number().positive().default(1e-5),
  attention_bias: z.boolean().default(false),
  /** Of OLMo 1. */
  clip_qkv: z.number().positive().nullish(),
  tie_word_embeddings: z.boolean().default(false),
});

/** Of OLMo 1; no config has it. */
const LAYER_NORM_EPSILON = 1e-5;

const NORMS_AFTER = {
  afterAttention: 'post_attention_layernorm',
  afterFeedForward: 'post_feedforward_layernorm',
};

export const olmo: Family = {
  modelTypes: ['olmo', 'olmo2'],
  configSchema,
  describe(raw, names) {
    const config = configSchema.parse(raw);
    const isFirst = config.model_type === 'olmo';
    const { headDim, heads, keyValueHeads } = attentionSizes(config);
    const norm = isFirst
      ? layerNorms(LAYER_NORM_EPSILON, { weight: false, bias: false })
      : rmsNorms(config.rms_norm_eps);
    const attention = {
      rotary: rotaryEmbedding(config, { headDim }),
      ...(isFirst
        ? { clamp: clampTo(config.clip_qkv ?? undefined) }
        : {
            queryNorm: norm('self_attn.q_norm', heads * headDim),
            keyNorm: norm('self_attn.k_norm', keyValueHeads * headDim),
          }),
    };
    return ropeDecoder({
      family: config.model_type,
      config,
      names,
      norm,
      tied: config.tie_word_embeddings,
      biases: { queryKeyValue: config.attention_bias, output: config.attention_bias },
      norms: isFirst ? undefined : NORMS_AFTER,
      blockKind: () => ({ name: 'block', attention }),
    });
  },
};

function clampTo(bound: number | undefined): AttentionOptions['clamp'] {
  return bound === undefined ? undefined : (graph, x) => clamp(graph, x, bound);
}
