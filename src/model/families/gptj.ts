/**
 * GPT-J (Wang & Komatsuzaki 2021, "GPT-J-6B: A 6 Billion Parameter Autoregressive Language Model"): both branches read the
 * same normalised input; neighbouring dimensions of a part of each head are rotated.
 * @module
 */
import { z } from 'zod';
import { GPT2_NAMES, withOtherNames } from '../config-names.js';
import { configHeadSize, configLayers, configSize } from '../config-size.js';
import { defineFamily } from '../family.js';
import { activationNamed } from '../parts/activations.js';
import { attentionPart } from '../parts/attention.js';
import { attentionSizes } from '../parts/attention-sizes.js';
import { causalModel, namePrefix, separateHead } from '../parts/causal-model.js';
import { plainFeedForward, plainLinears } from '../parts/feed-forward.js';
import { layerNorms } from '../parts/norms.js';
import { parallelResiduals } from '../parts/residuals.js';
import { separateProjections } from '../parts/separate-projections.js';
import { uniformBlocks } from '../parts/uniform-blocks.js';
import { rotaryEmbedding } from '../rotary-embedding.js';

const configSchema = withOtherNames(
  GPT2_NAMES,
  z.looseObject({
    vocab_size: configSize.default(50_400),
    hidden_size: configSize.default(4096),
    num_attention_heads: configSize.default(16),
    num_hidden_layers: configLayers.default(28),
    max_position_embeddings: configSize.default(2048),
    rotary_dim: configHeadSize.default(64),
    n_inner: configSize.nullish(),
    activation_function: z.string().default('gelu_new'),
    layer_norm_epsilon: z.number().positive().default(1e-5),
    tie_word_embeddings: z.boolean().default(false),
  }),
);

export const gptj = defineFamily(configSchema, {
  modelTypes: ['gptj'],
  describe(config, names) {
    const sizes = attentionSizes(config);
    const { hidden, headDim } = sizes;
    const { max_position_embeddings, rotary_dim: dimensions } = config;
    const norm = layerNorms(config.layer_norm_epsilon, { bias: true });
    const projections = separateProjections(sizes, {}, { module: 'attn', projection: 'out_proj' });
    const residuals = parallelResiduals(
      [
        {
          part: attentionPart({
            ...sizes,
            ...projections,
            rotary: rotaryEmbedding({ max_position_embeddings }, { headDim, dimensions, interleaved: true }),
          }),
        },
        {
          part: plainFeedForward(
            plainLinears(
              { up: 'mlp.fc_in', down: 'mlp.fc_out' },
              {
                hidden,
                intermediate: config.n_inner ?? 4 * hidden,
                bias: true,
                inputGroup: projections.query.inputGroup,
              },
            ),
            activationNamed(config.activation_function),
          ),
        },
      ],
      norm('ln_1', hidden),
    );
    const prefix = namePrefix(names, 'wte.weight', ['transformer.', '']);
    const blocks = uniformBlocks(residuals, {
      count: config.num_hidden_layers,
      list: `${prefix}h`,
      hiddenSize: hidden,
      graphKey: 'gptj',
    });
    return causalModel({
      family: 'gptj',
      hiddenSize: hidden,
      vocabularySize: config.vocab_size,
      maxSequenceLength: max_position_embeddings,
      blocks,
      embedding: `${prefix}wte.weight`,
      norm: norm(`${prefix}ln_f`, hidden),
      head: separateHead(names, config.tie_word_embeddings),
      hasHeadBias: true,
    });
  },
});
