import { expect, it } from 'vitest';
import { RequestError } from '../../src/errors.js';
import { describeModel } from '../../src/model/describe-model.js';

const config = {
  ...{ model_type: 'llama', hidden_size: 64, intermediate_size: 128, num_hidden_layers: 2 },
  ...{ num_attention_heads: 4, vocab_size: 256 },
};

it('takes a plain config', () => {
  expect(describeModel(config, 'config.json').blocks).toHaveLength(2);
});

it.each<[string, unknown, RegExp]>([
  ...['hidden_size', 'intermediate_size', 'num_attention_heads', 'vocab_size', 'num_key_value_heads'].flatMap(
    (key) =>
      [2 ** 53, 2 ** 24 + 1, 0, -1, 1.5, Number.POSITIVE_INFINITY, Number.NaN, '64', [64], {}, true].map(
        (value): [string, unknown, RegExp] => [key, value, new RegExp(`at ${key}`)],
      ),
  ),
  ['num_hidden_layers', 1e9, /<=4096/],
  ['head_dim', 2 ** 24, /<=16384/],
  ['head_dim', 3, /3 dimensions of a head/],
  ['hidden_size', 2 ** 24, /head size 4194304 /],
  ['rope_theta', -1, /at rope_theta/],
  ['rope_scaling', 'linear', /at rope_scaling/],
  ['rms_norm_eps', 0, /at rms_norm_eps/],
  ['model_type', { toString: 'llama' }, /no model_type/],
])('refuses %s %s', (key, value, message) => {
  expect(() => describeModel({ ...config, [key]: value }, 'config.json')).toThrow(RequestError);
  expect(() => describeModel({ ...config, [key]: value }, 'config.json')).toThrow(message);
});

it.each<[Record<string, unknown>, RegExp]>([
  [{ n_group: 3, topk_group: 1 }, /2 experts of 1 of 3 groups \(topk_group, n_group\) of 8 experts/],
  [{ n_group: 2, topk_group: 3 }, /2 experts of 3 of 2 groups/],
  [{ n_group: 8, topk_group: 1 }, /2 experts of 1 of 8 groups/],
  [
    { topk_method: 'noaux_tc' },
    /topk_method noaux_tc is not supported; supported: greedy, group_limited_greedy/,
  ],
  [{ num_experts_per_tok: null }, /at num_experts_per_tok/],
])('refuses a router of %o', (changes, message) => {
  const router = { n_routed_experts: 8, num_experts_per_tok: 2, topk_method: 'group_limited_greedy' };
  const mixture = { ...config, model_type: 'deepseek_v2', ...router, ...changes };
  expect(() => describeModel(mixture, 'config.json')).toThrow(RequestError);
  expect(() => describeModel(mixture, 'config.json')).toThrow(message);
});

it.each([
  ['mixtral', 'num_local_experts'],
  ['gpt_oss', 'num_local_experts'],
  ['qwen2_moe', 'num_experts'],
  ['qwen3_moe', 'num_experts'],
  ['deepseek_v3', 'n_routed_experts'],
])('refuses more experts of %s than can be described', (modelType, key) => {
  const own = { model_type: modelType, num_hidden_layers: 2, num_experts_per_tok: 2 };
  const of = (fields: object) => () => describeModel({ ...own, ...fields }, 'config.json');
  expect(of({ [key]: 1e9 })).toThrow(/<=4096/);
  expect(of({ [key]: 4096, num_hidden_layers: 4096 })).toThrow(/no more than 32768 experts/);
  expect(of({ [key]: 2, num_experts_per_tok: 3 })).toThrow(/3 of 2 experts/);
  expect(of({ [key]: 1024 })().blocks).toHaveLength(2);
});

it.each<[string, object]>([
  ['head size', { hidden_size: 62 }],
  ['num_attention_heads 4 is not a multiple', { num_key_value_heads: 3 }],
  ['the activation tanhish', { hidden_act: 'tanhish' }],
  ['RoPE of type spiral', { rope_scaling: { type: 'spiral' } }],
  ['layer_types[0] is linear', { model_type: 'qwen2', layer_types: ['linear', 'linear'] }],
  [
    'layer_types has 1 entries for num_hidden_layers 2',
    { model_type: 'olmo3', layer_types: ['full_attention'] },
  ],
  [
    'layer_types has 3 entries for num_hidden_layers 2',
    { model_type: 'qwen2', layer_types: Array(3).fill('full_attention') },
  ],
  ['no_rope_layers has 1 entries for num_hidden_layers 2', { model_type: 'smollm3', no_rope_layers: [1] }],
  [
    'qk_layernorm in 4096 blocks of 16 and 16 heads',
    {
      model_type: 'stablelm',
      num_hidden_layers: 4096,
      num_attention_heads: 16,
      num_key_value_heads: 16,
      qk_layernorm: true,
    },
  ],
  ['num_experts_per_tok 9 of 8 experts', { model_type: 'mixtral', num_experts_per_tok: 9 }],
  ['use_bidirectional_attention', { model_type: 'gemma', use_bidirectional_attention: true }],
])('says where the config lies: %s', (message, fields) => {
  const full = { num_key_value_heads: 4, ...config, ...fields };
  expect(() => describeModel(full, 'models/one/config.json')).toThrow(`models/one/config.json: ${message}`);
});

it('refuses what is no object', () => {
  for (const value of [null, 7, 'llama', [], {}])
    expect(() => describeModel(value, 'config.json')).toThrow(RequestError);
});
