/**
 * BLOOM (BigScience 2022, arXiv 2211.05100): positions as biases of the scores, and a normalisation of the embeddings.
 * @module
 */
import { z } from 'zod';
import { geluTanh } from '../../graph/operators/activation.js';
import { withOtherNames } from '../config-names.js';
import { configLayers, configSize } from '../config-size.js';
import { defineFamily } from '../family.js';
import { alibi } from '../parts/alibi.js';
import { attentionPart } from '../parts/attention.js';
import { attentionSizes } from '../parts/attention-sizes.js';
import { causalModel, namePrefix, separateHead } from '../parts/causal-model.js';
import { plainFeedForward, plainLinears } from '../parts/feed-forward.js';
import { ATTENTION_OUTPUT } from '../parts/input-groups.js';
import { interleavedProjections } from '../parts/interleaved-projections.js';
import { layerNorms } from '../parts/norms.js';
import { sequentialResiduals } from '../parts/residuals.js';
import { uniformBlocks } from '../parts/uniform-blocks.js';

const configSchema = withOtherNames(
  { n_head: 'num_attention_heads', n_layer: 'num_hidden_layers' },
  z.looseObject({
    vocab_size: configSize.default(250_880),
    hidden_size: configSize.default(64),
    /** The first name of `hidden_size`, which counts where a config has both. */
    n_embed: configSize.nullish(),
    num_attention_heads: configSize.default(8),
    num_hidden_layers: configLayers.default(2),
    seq_length: configSize.default(2048),
    layer_norm_epsilon: z.number().positive().default(1e-5),
    apply_residual_connection_post_layernorm: z.boolean().default(false),
    tie_word_embeddings: z.boolean().default(true),
  }),
);

export const bloom = defineFamily(configSchema, {
  modelTypes: ['bloom'],
  describe(config, names) {
    const sizes = attentionSizes({
      hidden_size: config.n_embed ?? config.hidden_size,
      num_attention_heads: config.num_attention_heads,
    });
    const { hidden, heads } = sizes;
    const norm = layerNorms(config.layer_norm_epsilon, { bias: true });
    const joinsNormed = config.apply_residual_connection_post_layernorm;
    const name = 'self_attention.query_key_value';
    const residuals = sequentialResiduals([
      {
        before: norm('input_layernorm', hidden),
        part: attentionPart({
          ...sizes,
          ...interleavedProjections(name, sizes, true),
          output: {
            name: 'self_attention.dense',
            out: hidden,
            in: hidden,
            inputGroup: ATTENTION_OUTPUT,
            bias: true,
          },
          keyBias: alibi(heads),
        }),
        joinsNormed,
      },
      {
        before: norm('post_attention_layernorm', hidden),
        part: plainFeedForward(
          plainLinears(
            { up: 'mlp.dense_h_to_4h', down: 'mlp.dense_4h_to_h' },
            { hidden, intermediate: 4 * hidden, bias: true },
          ),
          geluTanh,
        ),
        joinsNormed,
      },
    ]);
    const prefix = namePrefix(names, 'word_embeddings.weight', ['transformer.', '']);
    const blocks = uniformBlocks(residuals, {
      count: config.num_hidden_layers,
      list: `${prefix}h`,
      hiddenSize: hidden,
      graphKey: 'bloom',
    });
    const first = norm(`${prefix}word_embeddings_layernorm`, hidden);
    return causalModel({
      family: 'bloom',
      hiddenSize: hidden,
      vocabularySize: config.vocab_size,
      maxSequenceLength: config.seq_length,
      blocks,
      embedding: `${prefix}word_embeddings.weight`,
      opening: { tensors: first.tensors, features: hidden, forward: first.apply },
      norm: norm(`${prefix}ln_f`, hidden),
      head: separateHead(names, config.tie_word_embeddings),
    });
  },
});
