/**
 * Gemma 1, 2 and 3 (Gemma Team 2024, arXiv 2403.08295 and 2408.00118; 2025, arXiv 2503.19786). All add 1 to the weights of
 * their normalisations and scale embeddings by √hidden size. Gemma 2 normalises the branches' output as well, caps logits, and
 * alternates blocks that see a window with blocks that see everything; Gemma 3 normalises the heads of q and k, and turns
 * positions by another base where it sees a window. All expect BOS before a text (docs/models.md).
 * @module
 */
import { z } from 'zod';
import { ConfigError } from '../config-error.js';
import { configHeadSize, configSize } from '../config-size.js';
import { defineFamily } from '../family.js';
import { attentionSizes } from '../parts/attention-sizes.js';
import { headNorms, rmsNorms } from '../parts/norms.js';
import {
  attentionKinds,
  type BlockKind,
  biasesOf,
  decoderConfigShape,
  layerTypesShape,
  rmsNormShape,
  ropeDecoder,
  slidesBetween,
} from '../parts/rope-decoder.js';
import { rotaryByKind, rotaryEmbedding } from '../rotary-embedding.js';

const sharedShape = {
  ...decoderConfigShape,
  ...rmsNormShape,
  head_dim: configHeadSize.default(256),
  attention_bias: z.boolean().default(false),
  use_bidirectional_attention: z.boolean().nullish(),
  tie_word_embeddings: z.boolean().default(true),
};

/** Of Gemma 2 and 3. */
const alternatingShape = {
  ...sharedShape,
  ...layerTypesShape,
  sliding_window: configSize.nullish().default(4096),
  hidden_activation: z.string().default('gelu_pytorch_tanh'),
  query_pre_attn_scalar: z.number().positive().default(256),
};

const softcap = z.number().positive().nullish();

const configSchema = z.discriminatedUnion('model_type', [
  z.looseObject({
    model_type: z.literal('gemma'),
    ...sharedShape,
    hidden_act: z.string().default('gelu_pytorch_tanh'),
    max_position_embeddings: configSize.default(8192),
  }),
  z.looseObject({
    model_type: z.literal('gemma2'),
    ...alternatingShape,
    max_position_embeddings: configSize.default(8192),
    attn_logit_softcapping: softcap.default(50),
    final_logit_softcapping: softcap.default(30),
  }),
  z.looseObject({
    model_type: z.literal('gemma3_text'),
    ...alternatingShape,
    max_position_embeddings: configSize.default(131_072),
    final_logit_softcapping: softcap,
    /** Every so many blocks one sees everything. */
    sliding_window_pattern: z.int().positive().default(6),
    rope_local_base_freq: z.number().positive().nullish(),
  }),
]);

type GemmaConfig = z.infer<typeof configSchema>;

/** Of Gemma 2 and 3. */
const SIZES = {
  hidden_size: 2304,
  intermediate_size: 9216,
  num_hidden_layers: 26,
  num_attention_heads: 8,
  num_key_value_heads: 4,
};

const FOUR_NORMS = {
  beforeAttention: 'input_layernorm',
  afterAttention: 'post_attention_layernorm',
  beforeFeedForward: 'pre_feedforward_layernorm',
  afterFeedForward: 'post_feedforward_layernorm',
};

export const gemma = defineFamily(configSchema, {
  modelTypes: ['gemma', 'gemma2', 'gemma3_text'],
  defaults: {
    gemma: {
      vocab_size: 256_000,
      hidden_size: 3072,
      intermediate_size: 24_576,
      num_hidden_layers: 28,
      num_attention_heads: 16,
      num_key_value_heads: 16,
    },
    gemma2: { ...SIZES, vocab_size: 256_000 },
    gemma3_text: { ...SIZES, vocab_size: 262_208 },
  },
  describe(config, names) {
    if (config.use_bidirectional_attention) {
      throw new ConfigError('use_bidirectional_attention is set; only causal models can be pruned');
    }
    const isFirst = config.model_type === 'gemma';
    const decoder = ropeDecoder({
      family: config.model_type,
      config: isFirst ? config : { ...config, hidden_act: config.hidden_activation },
      names,
      norm: rmsNorms(config.rms_norm_eps, { onePlus: true }),
      tied: config.tie_word_embeddings,
      biases: biasesOf(config),
      norms: isFirst ? undefined : FOUR_NORMS,
      blockKind: blockKinds(config),
      embeddingScale: Math.sqrt(config.hidden_size),
      logitSoftcap: isFirst ? undefined : (config.final_logit_softcapping ?? undefined),
    });
    return { ...decoder, beginsWithBos: true };
  },
});

function blockKinds(config: GemmaConfig): (index: number) => BlockKind {
  const sizes = attentionSizes(config);
  const { headDim } = sizes;
  if (config.model_type === 'gemma') {
    const attention = { rotary: rotaryEmbedding(config, { headDim }) };
    return () => ({ name: 'block', attention });
  }
  const isThird = config.model_type === 'gemma3_text';
  const kindOf = attentionKinds(config, slidesBetween(isThird ? config.sliding_window_pattern : 2));
  const norm = rmsNorms(config.rms_norm_eps, { onePlus: true });
  const attention = {
    scale: 1 / Math.sqrt(config.query_pre_attn_scalar),
    ...(isThird ? headNorms(norm, sizes) : { softcap: config.attn_logit_softcapping ?? undefined }),
  };
  const plain = isThird ? undefined : rotaryEmbedding(config, { headDim });
  const rotary = plain
    ? { full_attention: plain, sliding_attention: plain }
    : rotaryByKind(config, headDim, { full: 1_000_000, sliding: 10_000 });
  return (index) => {
    const kind = kindOf(index);
    const window = kind === 'sliding_attention' ? (config.sliding_window ?? undefined) : undefined;
    return { name: kind, attention: { ...attention, rotary: rotary[kind], window } };
  };
}
