/**
 * Falcon (Almazrouei et al. 2023, arXiv 2311.16867): the one of 7 billion parameters has one key/value head and one
 * normalisation for both branches, that of 40 billion key/value heads in groups; the first ones, trained on RefinedWeb alone
 * (Penedo et al. 2023, arXiv 2306.01116), have ALiBi.
 * @module
 */
import { z } from 'zod';
import { configLayers, configSize } from '../config-size.js';
import { defineFamily } from '../family.js';
import { activationNamed } from '../parts/activations.js';
import { type AlibiProduct, alibi } from '../parts/alibi.js';
import { attentionPart } from '../parts/attention.js';
import { attentionSizes } from '../parts/attention-sizes.js';
import { causalModel, namePrefix, separateHead } from '../parts/causal-model.js';
import { plainFeedForward, plainLinears } from '../parts/feed-forward.js';
import { ATTENTION_INPUT, ATTENTION_OUTPUT, MLP_INPUT } from '../parts/input-groups.js';
import { interleavedProjections } from '../parts/interleaved-projections.js';
import { layerNorms } from '../parts/norms.js';
import { parallelResiduals, sequentialResiduals } from '../parts/residuals.js';
import { uniformBlocks } from '../parts/uniform-blocks.js';
import { ropeConfigShape, rotaryEmbedding } from '../rotary-embedding.js';

const configSchema = z.looseObject({
  vocab_size: configSize.default(65_024),
  hidden_size: configSize.default(4544),
  /** The first name of `hidden_size`, which counts where a config has both. */
  n_embed: configSize.nullish(),
  num_hidden_layers: configLayers.default(32),
  num_attention_heads: configSize.default(71),
  num_kv_heads: configSize.nullish(),
  num_ln_in_parallel_attn: z.int().nullish(),
  layer_norm_epsilon: z.number().positive().default(1e-5),
  alibi: z.boolean().default(false),
  new_decoder_architecture: z.boolean().default(false),
  multi_query: z.boolean().default(true),
  parallel_attn: z.boolean().default(true),
  bias: z.boolean().default(false),
  max_position_embeddings: configSize.default(2048),
  rope_theta: ropeConfigShape.rope_theta,
  rope_scaling: ropeConfigShape.rope_scaling,
  rope_parameters: ropeConfigShape.rope_parameters,
  ffn_hidden_size: configSize.nullish(),
  activation: z.string().default('gelu'),
  tie_word_embeddings: z.boolean().default(true),
});

type FalconConfig = z.infer<typeof configSchema>;

/** Nearest bfloat16, ties to even. */
function bfloat16(x: number): number {
  const bits = new Uint32Array(Float32Array.of(x).buffer);
  const [from = 0] = bits;
  bits[0] = (from + 0x7fff + ((from >>> 16) & 1)) & 0xffff_0000;
  return new Float32Array(bits.buffer)[0] as number;
}

export const falcon = defineFamily(configSchema, {
  modelTypes: ['falcon'],
  describe(config, names) {
    const { bias, new_decoder_architecture: isNew } = config;
    const sizes = attentionSizes({
      hidden_size: config.n_embed ?? config.hidden_size,
      num_attention_heads: config.num_attention_heads,
      num_key_value_heads: keyValueHeads(config),
    });
    const { hidden, heads, headDim } = sizes;
    const norm = layerNorms(config.layer_norm_epsilon, { bias: true });
    const hasTwoNorms = isNew && (config.num_ln_in_parallel_attn ?? 2) === 2;
    const isParallel = isNew || config.parallel_attn;
    const attention = attentionPart({
      ...sizes,
      ...interleavedProjections('self_attention.query_key_value', sizes, bias),
      output: {
        name: 'self_attention.dense',
        out: hidden,
        in: hidden,
        inputGroup: ATTENTION_OUTPUT,
        bias,
      },
      ...(config.alibi
        ? { keyBias: alibi(heads, roundedBias(headDim)) }
        : { rotary: rotaryEmbedding(config, { headDim }) }),
    });
    const feedForward = plainFeedForward(
      plainLinears(
        { up: 'mlp.dense_h_to_4h', down: 'mlp.dense_4h_to_h' },
        {
          hidden,
          intermediate: config.ffn_hidden_size ?? 4 * hidden,
          bias,
          inputGroup: isParallel && !hasTwoNorms ? ATTENTION_INPUT : MLP_INPUT,
        },
      ),
      activationNamed(config.activation),
    );
    const joined = () => {
      if (!isParallel) {
        return sequentialResiduals([
          { before: norm('input_layernorm', hidden), part: attention },
          { before: norm('post_attention_layernorm', hidden), part: feedForward },
        ]);
      }
      return hasTwoNorms
        ? parallelResiduals([
            { before: norm('ln_attn', hidden), part: attention },
            { before: norm('ln_mlp', hidden), part: feedForward },
          ])
        : parallelResiduals([{ part: attention }, { part: feedForward }], norm('input_layernorm', hidden));
    };
    const residuals = joined();
    const prefix = namePrefix(names, 'word_embeddings.weight', ['transformer.', '']);
    const blocks = uniformBlocks(residuals, {
      count: config.num_hidden_layers,
      list: `${prefix}h`,
      hiddenSize: hidden,
      graphKey: 'falcon',
    });
    return causalModel({
      family: 'falcon',
      hiddenSize: hidden,
      vocabularySize: config.vocab_size,
      maxSequenceLength: config.max_position_embeddings,
      blocks,
      embedding: `${prefix}word_embeddings.weight`,
      norm: norm(`${prefix}ln_f`, hidden),
      head: separateHead(names, config.tie_word_embeddings),
    });
  },
});

function keyValueHeads(config: FalconConfig): number {
  const { num_attention_heads: heads, num_kv_heads: own } = config;
  if (config.new_decoder_architecture) return own ?? heads;
  return config.multi_query ? 1 : heads;
}

/** ALiBi as it was trained: computed in bfloat16, and scaled like the scores. */
function roundedBias(headDim: number): AlibiProduct {
  return {
    name: `rounded_${headDim}`,
    product: (slope, position) =>
      bfloat16(bfloat16(slope) * bfloat16(position)) / Math.fround(Math.sqrt(headDim)),
  };
}
