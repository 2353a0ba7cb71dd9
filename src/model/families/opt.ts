/**
 * OPT (Zhang et al. 2022, arXiv 2205.01068): learned positions from the third row on; the one of 350 million parameters
 * normalises after its branches and has embeddings of fewer features than its blocks.
 * @module
 */
import { z } from 'zod';
import { ConfigError } from '../config-error.js';
import { configLayers, configSize } from '../config-size.js';
import { defineFamily } from '../family.js';
import { activationNamed } from '../parts/activations.js';
import { attentionPart } from '../parts/attention.js';
import { attentionSizes } from '../parts/attention-sizes.js';
import { causalModel, namePrefix, separateHead } from '../parts/causal-model.js';
import { plainFeedForward, plainLinears } from '../parts/feed-forward.js';
import { learnedPositions } from '../parts/learned-positions.js';
import { layerNorms } from '../parts/norms.js';
import { sequentialResiduals } from '../parts/residuals.js';
import { separateProjections } from '../parts/separate-projections.js';
import { uniformBlocks } from '../parts/uniform-blocks.js';

const configSchema = z.looseObject({
  vocab_size: configSize.default(50_272),
  hidden_size: configSize.default(768),
  num_hidden_layers: configLayers.default(12),
  num_attention_heads: configSize.default(12),
  ffn_dim: configSize.default(3072),
  max_position_embeddings: configSize.default(2048),
  do_layer_norm_before: z.boolean().default(true),
  _remove_final_layer_norm: z.boolean().default(false),
  word_embed_proj_dim: configSize.nullish(),
  activation_function: z.string().default('relu'),
  enable_bias: z.boolean().default(true),
  layer_norm_elementwise_affine: z.boolean().default(true),
  tie_word_embeddings: z.boolean().default(true),
});

const EPSILON = 1e-5;

/** Rows before that of the first position. */
const POSITION_OFFSET = 2;

export const opt = defineFamily(configSchema, {
  modelTypes: ['opt'],
  describe(config, names) {
    const {
      do_layer_norm_before: isBefore,
      enable_bias: bias,
      layer_norm_elementwise_affine: affine,
    } = config;
    const sizes = attentionSizes(config);
    const { hidden } = sizes;
    const embeddingSize = config.word_embed_proj_dim ?? hidden;
    if (embeddingSize > hidden) {
      throw new ConfigError(
        `word_embed_proj_dim ${embeddingSize} above hidden_size ${hidden} is not supported`,
      );
    }
    const isProjected = embeddingSize !== hidden;
    const norm = layerNorms(EPSILON, { weight: affine, bias: affine });
    const prefix = namePrefix(names, 'embed_tokens.weight', ['model.decoder.', 'decoder.']);
    const residuals = sequentialResiduals(
      [
        {
          norm: norm('self_attn_layer_norm', hidden),
          part: attentionPart({
            ...sizes,
            ...separateProjections(sizes, { queryKeyValue: bias, output: bias }, { projection: 'out_proj' }),
          }),
        },
        {
          norm: norm('final_layer_norm', hidden),
          part: plainFeedForward(
            plainLinears({ up: 'fc1', down: 'fc2' }, { hidden, intermediate: config.ffn_dim, bias }),
            activationNamed(config.activation_function),
          ),
        },
      ].map(({ norm, part }) => (isBefore ? { before: norm, part } : { part, onSum: norm })),
    );
    const blocks = uniformBlocks(residuals, {
      count: config.num_hidden_layers,
      list: `${prefix}layers`,
      hiddenSize: hidden,
      graphKey: 'opt',
    });
    const hasLastNorm = isBefore && !config._remove_final_layer_norm;
    return causalModel({
      family: 'opt',
      hiddenSize: hidden,
      vocabularySize: config.vocab_size,
      maxSequenceLength: config.max_position_embeddings,
      blocks,
      embedding: `${prefix}embed_tokens.weight`,
      embeddingSize,
      opening: learnedPositions({
        name: `${prefix}embed_positions.weight`,
        positions: config.max_position_embeddings + POSITION_OFFSET,
        hiddenSize: hidden,
        offset: POSITION_OFFSET,
        projection: isProjected ? { name: `${prefix}project_in.weight`, embeddingSize } : undefined,
      }),
      norm: hasLastNorm ? norm(`${prefix}final_layer_norm`, hidden) : undefined,
      projection: isProjected ? `${prefix}project_out.weight` : undefined,
      head: separateHead(names, config.tie_word_embeddings),
    });
  },
});
