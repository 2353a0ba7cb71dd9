/**
 * OLMo 1 (Groeneveld et al. 2024, arXiv 2402.00838), whose layer normalisation has no weights and whose q, k and v may be
 * clamped; OLMo 2 (OLMo Team 2024, arXiv 2501.00656), which normalises what the branches give, and all of q and of k; and OLMo 3
 * (OLMo Team 2025, arXiv 2512.13961), where three of four blocks have a window.
 * @module
 */
import { z } from 'zod';
import { clamp } from '../../graph/operators/arithmetic.js';
import { configSize } from '../config-size.js';
import { defineFamily } from '../family.js';
import type { AttentionOptions } from '../parts/attention.js';
import { attentionSizes } from '../parts/attention-sizes.js';
import { layerNorms, rmsNorms } from '../parts/norms.js';
import {
  attentionKinds,
  type BlockKind,
  biasesOf,
  decoderConfigShape,
  layerTypesShape,
  ropeDecoder,
  slidesBetween,
} from '../parts/rope-decoder.js';
import { rotaryByKind, rotaryEmbedding } from '../rotary-embedding.js';

const configSchema = z.looseObject({
  model_type: z.enum(['olmo', 'olmo2', 'olmo3']),
  ...decoderConfigShape,
  ...layerTypesShape,
  /** Of OLMo 2 and 3. */
  rms_norm_eps: z.number().positive().default(1e-5),
  attention_bias: z.boolean().default(false),
  /** Of OLMo 1. */
  clip_qkv: z.number().positive().nullish(),
  /** Of OLMo 3. */
  sliding_window: configSize.nullish().default(4096),
  tie_word_embeddings: z.boolean().default(false),
});

type OlmoConfig = z.infer<typeof configSchema>;

/** Of OLMo 1; no config has it. */
const LAYER_NORM_EPSILON = 1e-5;

const NORMS_AFTER = {
  afterAttention: 'post_attention_layernorm',
  afterFeedForward: 'post_feedforward_layernorm',
};

const SIZES = {
  vocab_size: 50_304,
  hidden_size: 4096,
  intermediate_size: 11_008,
  num_hidden_layers: 32,
  num_attention_heads: 32,
};

export const olmo = defineFamily(configSchema, {
  modelTypes: ['olmo', 'olmo2', 'olmo3'],
  defaults: { olmo: SIZES, olmo2: SIZES, olmo3: SIZES },
  describe(config, names) {
    const isFirst = config.model_type === 'olmo';
    return ropeDecoder({
      family: config.model_type,
      config,
      names,
      norm: isFirst
        ? layerNorms(LAYER_NORM_EPSILON, { weight: false, bias: false })
        : rmsNorms(config.rms_norm_eps),
      tied: config.tie_word_embeddings,
      biases: biasesOf(config),
      norms: isFirst ? undefined : NORMS_AFTER,
      blockKind: blockKinds(config),
    });
  },
});

function blockKinds(config: OlmoConfig): (index: number) => BlockKind {
  const { headDim, heads, keyValueHeads } = attentionSizes(config);
  if (config.model_type === 'olmo') {
    const attention = {
      rotary: rotaryEmbedding(config, { headDim }),
      clamp: clampTo(config.clip_qkv ?? undefined),
    };
    return () => ({ name: 'block', attention });
  }
  const norm = rmsNorms(config.rms_norm_eps);
  const norms = {
    queryNorm: norm('self_attn.q_norm', heads * headDim),
    keyNorm: norm('self_attn.k_norm', keyValueHeads * headDim),
  };
  if (config.model_type === 'olmo2') {
    const attention = { rotary: rotaryEmbedding(config, { headDim }), ...norms };
    return () => ({ name: 'block', attention });
  }
  const rotary = rotaryByKind(config, headDim, { full: 500_000, sliding: 500_000 });
  const kindOf = attentionKinds(config, slidesBetween(4));
  return (index) => {
    const kind = kindOf(index);
    const window = kind === 'sliding_attention' ? (config.sliding_window ?? undefined) : undefined;
    return { name: kind, attention: { rotary: rotary[kind], window, ...norms } };
  };
}

function clampTo(bound: number | undefined): AttentionOptions['clamp'] {
  return bound === undefined ? undefined : (graph, x) => clamp(graph, x, bound);
}
