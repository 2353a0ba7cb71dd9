/**
 * GPT-2 (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"): learned positions, and linears stored
 * as [in, out], q, k and v in one.
 * @module
 */
import { z } from 'zod';
import { GPT2_NAMES, withOtherNames } from '../config-names.js';
import { configLayers, configSize } from '../config-size.js';
import { defineFamily } from '../family.js';
import { activationNamed } from '../parts/activations.js';
import { attentionPart } from '../parts/attention.js';
import { attentionSizes } from '../parts/attention-sizes.js';
import { causalModel, namePrefix, separateHead } from '../parts/causal-model.js';
import { plainFeedForward } from '../parts/feed-forward.js';
import { ATTENTION_INPUT, ATTENTION_OUTPUT, MLP_HIDDEN, MLP_INPUT } from '../parts/input-groups.js';
import { learnedPositions } from '../parts/learned-positions.js';
import { layerNorms } from '../parts/norms.js';
import { blockOf, type LinearPart } from '../parts/part.js';
import { rowsOf, transposedRowsOf } from '../parts/placement.js';
import { sequentialResiduals } from '../parts/residuals.js';

const configSchema = withOtherNames(
  GPT2_NAMES,
  z.looseObject({
    vocab_size: configSize.default(50_257),
    hidden_size: configSize.default(768),
    num_attention_heads: configSize.default(12),
    num_hidden_layers: configLayers.default(12),
    max_position_embeddings: configSize.default(1024),
    n_inner: configSize.nullish(),
    activation_function: z.string().default('gelu_new'),
    layer_norm_epsilon: z.number().positive().default(1e-5),
    scale_attn_weights: z.boolean().default(true),
    scale_attn_by_inverse_layer_idx: z.boolean().default(false),
    tie_word_embeddings: z.boolean().default(true),
  }),
);

/** Consecutive outputs of a stored linear [in, out]. */
interface Outputs {
  readonly tensor: string;
  readonly first: number;
  /** Of the stored linear. */
  readonly all: number;
}

function conv1d(
  linear: Pick<LinearPart, 'name' | 'out' | 'in' | 'inputGroup'>,
  { tensor, first, all }: Outputs = { tensor: linear.name, first: 0, all: linear.out },
): LinearPart {
  const outputs = { first, count: linear.out };
  return {
    ...linear,
    bias: true,
    stored: {
      weight: transposedRowsOf(`${tensor}.weight`, [linear.in, all], outputs),
      bias: rowsOf(`${tensor}.bias`, [all], outputs),
    },
  };
}

export const gpt2 = defineFamily(configSchema, {
  modelTypes: ['gpt2'],
  describe(config, names) {
    const sizes = attentionSizes(config);
    const { hidden, headDim } = sizes;
    const intermediate = config.n_inner ?? 4 * hidden;
    const norm = layerNorms(config.layer_norm_epsilon, { bias: true });
    const attentionInput = (name: string, index: number) =>
      conv1d(
        { name: `attn.c_attn.${name}`, out: hidden, in: hidden, inputGroup: ATTENTION_INPUT },
        { tensor: 'attn.c_attn', first: index * hidden, all: 3 * hidden },
      );
    const projections = {
      query: attentionInput('q', 0),
      key: attentionInput('k', 1),
      value: attentionInput('v', 2),
      output: conv1d({ name: 'attn.c_proj', out: hidden, in: hidden, inputGroup: ATTENTION_OUTPUT }),
    };
    const feedForward = plainFeedForward(
      {
        up: conv1d({ name: 'mlp.c_fc', out: intermediate, in: hidden, inputGroup: MLP_INPUT }),
        down: conv1d({ name: 'mlp.c_proj', out: hidden, in: intermediate, inputGroup: MLP_HIDDEN }),
      },
      activationNamed(config.activation_function),
    );
    const prefix = namePrefix(names, 'wte.weight', ['transformer.', '']);
    const blocks = Array.from({ length: config.num_hidden_layers }, (_, index) => {
      const divisor = config.scale_attn_by_inverse_layer_idx ? index + 1 : 1;
      const scale = (config.scale_attn_weights ? 1 / Math.sqrt(headDim) : 1) / divisor;
      const { parts, forward } = sequentialResiduals([
        { before: norm('ln_1', hidden), part: attentionPart({ ...sizes, ...projections, scale }) },
        { before: norm('ln_2', hidden), part: feedForward },
      ]);
      const graphKey = `gpt2 with scores / ${divisor}`;
      return blockOf(parts, { prefix: `${prefix}h.${index}.`, hiddenSize: hidden, graphKey, forward });
    });
    return causalModel({
      family: 'gpt2',
      hiddenSize: hidden,
      vocabularySize: config.vocab_size,
      maxSequenceLength: config.max_position_embeddings,
      blocks,
      embedding: `${prefix}wte.weight`,
      opening: learnedPositions({
        name: `${prefix}wpe.weight`,
        positions: config.max_position_embeddings,
        hiddenSize: hidden,
      }),
      norm: norm(`${prefix}ln_f`, hidden),
      head: separateHead(names, config.tie_word_embeddings),
    });
  },
});
