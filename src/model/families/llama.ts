/**
 * Llama 1, 2 and 3 (Touvron et al. 2023, arXiv 2302.13971; Grattafiori et al. 2024, arXiv 2407.21783) and
 * the models that share their architecture.
 * @module
 */
import { z } from 'zod';
import { RequestError } from '../../errors.js';
import { silu } from '../../graph/operators/activation.js';
import { add, multiply } from '../../graph/operators/arithmetic.js';
import { causalAttention } from '../../graph/operators/attention.js';
import { rmsNorm } from '../../graph/operators/normalization.js';
import { rotary } from '../../graph/operators/rotary.js';
import { configHeadSize, configLayers, configSize } from '../config-size.js';
import type {
  BlockDescription,
  LinearDescription,
  ModelDescription,
  TensorDescription,
} from '../description.js';
import type { Family } from '../family.js';
import { ropeConfigShape, ropeFrequencies } from '../rope-frequencies.js';

const configSchema = z.looseObject({
  hidden_size: configSize,
  intermediate_size: configSize,
  num_hidden_layers: configLayers,
  num_attention_heads: configSize,
  num_key_value_heads: configSize.nullish(),
  head_dim: configHeadSize.nullish(),
  vocab_size: configSize,
  max_position_embeddings: configSize.default(2048),
  rms_norm_eps: z.number().positive().default(1e-6),
  hidden_act: z.string().default('silu'),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  tie_word_embeddings: z.boolean().default(false),
  ...ropeConfigShape,
});

export const llama: Family = {
  modelType: 'llama',
  configSchema,
  describe(raw): ModelDescription {
    const config = configSchema.parse(raw);
    const hidden = config.hidden_size;
    const heads = config.num_attention_heads;
    const keyValueHeads = config.num_key_value_heads ?? heads;
    const headDim = config.head_dim ?? hidden / heads;
    if (!configHeadSize.multipleOf(2).safeParse(headDim).success) {
      throw new RequestError(
        `config.json: head size ${headDim} (hidden_size / num_attention_heads) is not even, or too large`,
      );
    }
    if (heads % keyValueHeads !== 0) {
      throw new RequestError(
        `config.json: num_attention_heads ${heads} is not a multiple of num_key_value_heads ${keyValueHeads}`,
      );
    }
    if (config.hidden_act !== 'silu') {
      throw new RequestError(
        `config.json: hidden_act ${config.hidden_act} is not supported yet; supported: silu`,
      );
    }
    const frequencies = ropeFrequencies(config, headDim);
    const epsilon = config.rms_norm_eps;
    const attention = { heads, keyValueHeads, headDim };

    const linears: LinearDescription[] = [
      { name: 'self_attn.q_proj', out: heads * headDim, in: hidden, inputGroup: 'attention input' },
      { name: 'self_attn.k_proj', out: keyValueHeads * headDim, in: hidden, inputGroup: 'attention input' },
      { name: 'self_attn.v_proj', out: keyValueHeads * headDim, in: hidden, inputGroup: 'attention input' },
      { name: 'self_attn.o_proj', out: hidden, in: heads * headDim, inputGroup: 'attention output' },
      { name: 'mlp.gate_proj', out: config.intermediate_size, in: hidden, inputGroup: 'mlp input' },
      { name: 'mlp.up_proj', out: config.intermediate_size, in: hidden, inputGroup: 'mlp input' },
      { name: 'mlp.down_proj', out: hidden, in: config.intermediate_size, inputGroup: 'mlp hidden' },
    ];
    const hasBias = (name: string) => (name.startsWith('mlp.') ? config.mlp_bias : config.attention_bias);
    const tensors: TensorDescription[] = [
      { name: 'input_layernorm.weight', shape: [hidden] },
      { name: 'post_attention_layernorm.weight', shape: [hidden] },
      ...linears.flatMap((linear) => [
        { name: `${linear.name}.weight`, shape: [linear.out, linear.in] },
        ...(hasBias(linear.name) ? [{ name: `${linear.name}.bias`, shape: [linear.out] }] : []),
      ]),
    ];

    const forward: BlockDescription['forward'] = (scope, input) => {
      const { graph, weight, linear } = scope;
      const attentionInput = rmsNorm(graph, input, weight('input_layernorm.weight'), epsilon);
      const q = rotary(graph, linear('self_attn.q_proj', attentionInput), heads, frequencies);
      const k = rotary(graph, linear('self_attn.k_proj', attentionInput), keyValueHeads, frequencies);
      const v = linear('self_attn.v_proj', attentionInput);
      const mixed = causalAttention(graph, q, k, v, attention);
      const middle = add(graph, input, linear('self_attn.o_proj', mixed));
      const mlpInput = rmsNorm(graph, middle, weight('post_attention_layernorm.weight'), epsilon);
      const gate = silu(graph, linear('mlp.gate_proj', mlpInput));
      const product = multiply(graph, gate, linear('mlp.up_proj', mlpInput));
      return add(graph, middle, linear('mlp.down_proj', product));
    };

    const embedding = { name: 'model.embed_tokens.weight', shape: [config.vocab_size, hidden] };
    const norm = { name: 'model.norm.weight', shape: [hidden] };
    return {
      family: 'llama',
      hiddenSize: hidden,
      vocabularySize: config.vocab_size,
      maxSequenceLength: config.max_position_embeddings,
      blocks: Array.from({ length: config.num_hidden_layers }, (_, index) => ({
        prefix: `model.layers.${index}.`,
        hiddenSize: hidden,
        tensors,
        linears,
        graphKey: 'llama',
        forward,
      })),
      embedding,
      head: config.tie_word_embeddings
        ? embedding
        : { name: 'lm_head.weight', shape: [config.vocab_size, hidden] },
      finalTensors: [norm],
      finalNorm: (graph, weight, x) => rmsNorm(graph, x, weight(norm.name), epsilon),
    };
  },
};
