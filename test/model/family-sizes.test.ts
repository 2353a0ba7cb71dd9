/** Configs as the hub has them, with what they leave out: as many parameters as transformers 5.17 makes of them. */
import { describe, expect, it } from 'vitest';
import { elementCount } from '../../src/graph/value.js';
import { requiredTensors } from '../../src/model/check-tensors.js';
import { describeModel } from '../../src/model/describe-model.js';

const MODELS: [name: string, parameters: number, config: Record<string, unknown>][] = [
  [
    'mistral with biases in its config, which it has not',
    86_336,
    {
      ...{ model_type: 'mistral', hidden_size: 64, intermediate_size: 128, num_hidden_layers: 2 },
      ...{ num_attention_heads: 4, num_key_value_heads: 2, vocab_size: 96 },
      ...{ attention_bias: true, mlp_bias: true },
    },
  ],
  [
    'deepseek_v3 whose heads do not divide its width, 4 of them buffers',
    11_456,
    {
      ...{ model_type: 'deepseek_v3', hidden_size: 20, intermediate_size: 24, num_hidden_layers: 2 },
      ...{ num_attention_heads: 3, num_key_value_heads: 3, vocab_size: 96, q_lora_rank: 12 },
      ...{ kv_lora_rank: 8, qk_nope_head_dim: 8, qk_rope_head_dim: 4, v_head_dim: 8 },
      ...{ n_routed_experts: 4, n_shared_experts: 1, num_experts_per_tok: 2, moe_intermediate_size: 8 },
      ...{ first_k_dense_replace: 1, n_group: 2, topk_group: 1 },
    },
  ],
  ['gpt2 default', 124_439_808, { model_type: 'gpt2' }],
  ['opt default', 125_239_296, { model_type: 'opt' }],
  ['gpt_neox default', 20_554_567_680, { model_type: 'gpt_neox' }],
  ['gptj default', 6_050_882_784, { model_type: 'gptj' }],
  ['falcon default', 6_921_720_704, { model_type: 'falcon' }],
  ['bloom default', 16_156_544, { model_type: 'bloom' }],
  [
    'gpt2-xl',
    1_557_611_200,
    {
      model_type: 'gpt2',
      n_embd: 1600,
      n_head: 25,
      n_layer: 48,
      n_positions: 1024,
      n_ctx: 1024,
      vocab_size: 50257,
    },
  ],
  [
    'gpt2 other names',
    3_308_204,
    {
      model_type: 'gpt2',
      hidden_size: 64,
      num_attention_heads: 4,
      num_hidden_layers: 3,
      max_position_embeddings: 32,
      n_inner: 100,
    },
  ],
  [
    'opt-350m',
    331_196_416,
    {
      model_type: 'opt',
      do_layer_norm_before: false,
      ffn_dim: 4096,
      hidden_size: 1024,
      num_attention_heads: 16,
      num_hidden_layers: 24,
      vocab_size: 50272,
      word_embed_proj_dim: 512,
      _remove_final_layer_norm: false,
    },
  ],
  [
    'pythia-70m',
    70_426_624,
    {
      model_type: 'gpt_neox',
      hidden_act: 'gelu',
      hidden_size: 512,
      intermediate_size: 2048,
      layer_norm_eps: 1e-5,
      max_position_embeddings: 2048,
      num_attention_heads: 8,
      num_hidden_layers: 6,
      rotary_emb_base: 10000,
      rotary_pct: 0.25,
      use_parallel_residual: true,
      vocab_size: 50304,
    },
  ],
  [
    'falcon-40b',
    41_303_293_952,
    {
      model_type: 'falcon',
      alibi: false,
      bias: false,
      hidden_size: 8192,
      new_decoder_architecture: true,
      num_attention_heads: 128,
      num_hidden_layers: 60,
      num_kv_heads: 8,
      parallel_attn: true,
      vocab_size: 65024,
    },
  ],
  [
    'falcon-rw-1b',
    1_311_625_216,
    {
      model_type: 'falcon',
      alibi: true,
      bias: true,
      hidden_size: 2048,
      multi_query: false,
      num_attention_heads: 32,
      num_hidden_layers: 24,
      parallel_attn: false,
      vocab_size: 50304,
    },
  ],
  [
    'bloom-560m',
    559_214_592,
    {
      model_type: 'bloom',
      hidden_size: 1024,
      n_layer: 24,
      num_attention_heads: 16,
      seq_length: 2048,
      vocab_size: 250880,
      pretraining_tp: 1,
    },
  ],
  [
    'bloom-7b1',
    7_069_016_064,
    {
      model_type: 'bloom',
      n_embed: 4096,
      n_inner: null,
      n_layer: 30,
      num_attention_heads: 32,
      seq_length: 2048,
      vocab_size: 250880,
    },
  ],
  [
    'stablelm-2-12b',
    12_143_185_920,
    {
      model_type: 'stablelm',
      hidden_act: 'silu',
      hidden_size: 5120,
      intermediate_size: 13824,
      num_attention_heads: 32,
      num_hidden_layers: 40,
      num_key_value_heads: 8,
      partial_rotary_factor: 0.25,
      qk_layernorm: true,
      use_parallel_residual: true,
      use_qkv_bias: false,
      vocab_size: 100352,
      rope_theta: 10000,
    },
  ],
  [
    'stablelm-3b',
    2_795_443_200,
    {
      model_type: 'stablelm',
      hidden_size: 2560,
      intermediate_size: 6912,
      num_attention_heads: 32,
      num_hidden_layers: 32,
      vocab_size: 50304,
    },
  ],
  [
    'starcoder2-3b',
    3_030_371_328,
    {
      model_type: 'starcoder2',
      hidden_size: 3072,
      intermediate_size: 12288,
      num_attention_heads: 24,
      num_hidden_layers: 30,
      num_key_value_heads: 2,
      sliding_window: 4096,
      vocab_size: 49152,
      use_bias: true,
      rope_theta: 999999.4420358813,
    },
  ],
];

it.each(MODELS)('%s has %i parameters', (_, parameters, config) => {
  const tensors = requiredTensors(describeModel(config, 'config.json'));
  expect(tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0)).toBe(parameters);
});

describe('names of tensors', () => {
  const gpt2 = { model_type: 'gpt2', n_layer: 1 };

  it('are with or without what the whole model puts before them', () => {
    const whole = describeModel(gpt2, 'config.json', new Set(['transformer.wte.weight']));
    expect(whole.blocks[0]?.prefix).toBe('transformer.h.0.');
    const bare = describeModel(gpt2, 'config.json', new Set(['wte.weight']));
    expect(bare.blocks[0]?.prefix).toBe('h.0.');
    expect(bare.opening?.tensors[0]?.name).toBe('wpe.weight');
  });

  it('tell a head that is stored from one that is the embedding', () => {
    expect(describeModel(gpt2, 'config.json', new Set(['wte.weight'])).head.name).toBe('wte.weight');
    const stored = new Set(['wte.weight', 'lm_head.weight']);
    expect(describeModel(gpt2, 'config.json', stored).head.name).toBe('lm_head.weight');
    const neox = { model_type: 'gpt_neox', num_hidden_layers: 1 };
    expect(describeModel(neox, 'config.json', new Set(['embed_out.weight'])).head.name).toBe(
      'embed_out.weight',
    );
    expect(describeModel(neox, 'config.json', new Set(['lm_head.weight'])).head.name).toBe('lm_head.weight');
  });

  it('are those of the same rows in any family whose q, k and v lie head by head', () => {
    const config = { model_type: 'falcon', num_hidden_layers: 1, hidden_size: 64, num_attention_heads: 8 };
    const grouped = { ...config, new_decoder_architecture: true, num_kv_heads: 2 };
    const [block] = describeModel(grouped, 'config.json').blocks;
    const key = block?.tensors.find(({ name }) => name === 'self_attention.query_key_value.key.weight');
    // Two groups of four query heads, a key and a value, of eight rows each.
    expect(key).toMatchObject({
      shape: [16, 64],
      stored: { shape: [96, 64], offset: 32 * 64, run: 8, runStride: 48 * 64 },
    });
  });
});

describe('a config is refused', () => {
  it.each([
    [
      'more dimensions to rotate than a head has',
      { model_type: 'gptj', rotary_dim: 512 },
      /512 of the 256 dimensions/,
    ],
    [
      'embeddings wider than the blocks',
      { model_type: 'opt', word_embed_proj_dim: 1024 },
      /word_embed_proj_dim 1024/,
    ],
    ['a width that heads do not divide', { model_type: 'gpt2', n_head: 7 }, /head size/],
  ])('with %s', (_, config, words) => {
    expect(() => describeModel(config, 'config.json')).toThrow(words);
  });
});
