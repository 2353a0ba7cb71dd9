/**
 * GPT-NeoX (Black et al. 2022, arXiv 2204.06745) and Pythia (Biderman et al. 2023, arXiv 2304.01373): a part of each head is
 * rotated, and both branches read the block's input.
 * @module
 */
import { z } from 'zod';
import { configLayers, configSize } from '../config-size.js';
import { defineFamily } from '../family.js';
import { activationNamed } from '../parts/activations.js';
import { attentionPart } from '../parts/attention.js';
import { attentionSizes } from '../parts/attention-sizes.js';
import { causalModel, namePrefix, separateHead } from '../parts/causal-model.js';
import { plainFeedForward, plainLinears } from '../parts/feed-forward.js';
import { ATTENTION_OUTPUT } from '../parts/input-groups.js';
import { interleavedProjections } from '../parts/interleaved-projections.js';
import { layerNorms } from '../parts/norms.js';
import { parallelResiduals, sequentialResiduals } from '../parts/residuals.js';
import { uniformBlocks } from '../parts/uniform-blocks.js';
import { ropeConfigShape, rotaryEmbedding } from '../rotary-embedding.js';

const configSchema = z.looseObject({
  vocab_size: configSize.default(50_432),
  hidden_size: configSize.default(6144),
  num_hidden_layers: configLayers.default(44),
  num_attention_heads: configSize.default(64),
  intermediate_size: configSize.default(24_576),
  hidden_act: z.string().default('gelu'),
  max_position_embeddings: configSize.default(2048),
  layer_norm_eps: z.number().positive().default(1e-5),
  use_parallel_residual: z.boolean().default(true),
  attention_bias: z.boolean().default(true),
  rope_scaling: ropeConfigShape.rope_scaling,
  rope_parameters: ropeConfigShape.rope_parameters,
  rotary_emb_base: ropeConfigShape.rope_theta,
  rotary_pct: ropeConfigShape.partial_rotary_factor.default(0.25),
  tie_word_embeddings: z.boolean().default(false),
});

export const gptNeox = defineFamily(configSchema, {
  modelTypes: ['gpt_neox'],
  describe(config, names) {
    const sizes = attentionSizes({
      hidden_size: config.hidden_size,
      num_attention_heads: config.num_attention_heads,
    });
    const { hidden, headDim } = sizes;
    const bias = config.attention_bias;
    const rotary = rotaryEmbedding(
      {
        rope_scaling: config.rope_scaling,
        rope_parameters: config.rope_parameters,
        rope_theta: config.rotary_emb_base,
        partial_rotary_factor: config.rotary_pct,
        max_position_embeddings: config.max_position_embeddings,
      },
      { headDim, isPartial: true },
    );
    const norm = layerNorms(config.layer_norm_eps, { bias: true });
    const name = 'attention.query_key_value';
    const branches = [
      {
        before: norm('input_layernorm', hidden),
        part: attentionPart({
          ...sizes,
          ...interleavedProjections(name, sizes, bias),
          output: {
            name: 'attention.dense',
            out: hidden,
            in: hidden,
            inputGroup: ATTENTION_OUTPUT,
            bias,
          },
          rotary,
        }),
      },
      {
        before: norm('post_attention_layernorm', hidden),
        part: plainFeedForward(
          plainLinears(
            { up: 'mlp.dense_h_to_4h', down: 'mlp.dense_4h_to_h' },
            { hidden, intermediate: config.intermediate_size, bias: true },
          ),
          activationNamed(config.hidden_act),
        ),
      },
    ];
    const residuals = config.use_parallel_residual
      ? parallelResiduals(branches)
      : sequentialResiduals(branches);
    const prefix = namePrefix(names, 'embed_in.weight', ['gpt_neox.', '']);
    const blocks = uniformBlocks(residuals, {
      count: config.num_hidden_layers,
      list: `${prefix}layers`,
      hiddenSize: hidden,
      graphKey: 'gpt_neox',
    });
    const head = names.has('lm_head.weight') ? 'lm_head.weight' : 'embed_out.weight';
    return causalModel({
      family: 'gpt_neox',
      hiddenSize: hidden,
      vocabularySize: config.vocab_size,
      maxSequenceLength: config.max_position_embeddings,
      blocks,
      embedding: `${prefix}embed_in.weight`,
      norm: norm(`${prefix}final_layer_norm`, hidden),
      head: separateHead(names, config.tie_word_embeddings, head),
    });
  },
});
