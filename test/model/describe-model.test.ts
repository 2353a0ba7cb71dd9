/** What configs leave out or say in other places, as published checkpoints have it. */
import { describe, expect, it } from 'vitest';
import { describeModel } from '../../src/model/describe-model.js';

const sizesOf = (config: object, names: string[] = []) => {
  const { blocks, hiddenSize, vocabularySize, head, embedding } = describeModel(
    config,
    'config.json',
    new Set(names),
  );
  const [block] = blocks;
  const shapes = Object.fromEntries(
    block?.linears.map((linear) => [linear.name, [linear.out, linear.in]]) ?? [],
  );
  return {
    blocks: blocks.length,
    hiddenSize,
    vocabularySize,
    shapes,
    head: head.name,
    prefix: embedding.name,
  };
};

describe('models of images and text', () => {
  it('leave out what their text model has by default', () => {
    // llava-hf/llava-1.5-7b-hf
    const llava = {
      model_type: 'llava',
      text_config: { max_position_embeddings: 4096, rms_norm_eps: 1e-5, vocab_size: 32_064 },
      vision_config: {},
    };
    const prefix = 'language_model.model.embed_tokens.weight';
    expect(sizesOf(llava, [prefix, 'language_model.lm_head.weight'])).toMatchObject({
      blocks: 32,
      hiddenSize: 4096,
      vocabularySize: 32_064,
      shapes: { 'self_attn.k_proj': [4096, 4096], 'mlp.up_proj': [11_008, 4096] },
      head: 'language_model.lm_head.weight',
      prefix,
    });
    // google/gemma-3-4b-it
    const gemma3 = {
      model_type: 'gemma3',
      text_config: {
        model_type: 'gemma3_text',
        hidden_size: 2560,
        intermediate_size: 10_240,
        num_hidden_layers: 34,
        rope_scaling: { factor: 8, rope_type: 'linear' },
        sliding_window: 1024,
      },
      vision_config: {},
    };
    expect(sizesOf(gemma3, [prefix])).toMatchObject({
      blocks: 34,
      vocabularySize: 262_208,
      shapes: { 'self_attn.q_proj': [2048, 2560], 'self_attn.k_proj': [1024, 2560] },
      head: prefix,
    });
  });

  it('of another kind are refused by name', () => {
    const config = { model_type: 'llava', text_config: { model_type: 'opt_of_old' } };
    expect(() => sizesOf(config)).toThrow('model_type opt_of_old is not supported yet');
    expect(() => sizesOf({ model_type: 'paligemma', text_config: { model_type: 'gemma' } })).toThrow(
      'model_type paligemma is not supported yet',
    );
  });
});

it('uses a head that is stored, also where the config says that it is the embedding', () => {
  const config = {
    ...{ model_type: 'llama', hidden_size: 64, intermediate_size: 128, num_hidden_layers: 1 },
    ...{ num_attention_heads: 4, vocab_size: 96, tie_word_embeddings: true },
  };
  expect(sizesOf(config).head).toBe('model.embed_tokens.weight');
  expect(sizesOf(config, ['lm_head.weight', 'model.embed_tokens.weight']).head).toBe('lm_head.weight');
});

it('takes the window of 0 that transformers writes for Qwen2-MoE without windows', () => {
  const config = { model_type: 'qwen2_moe', num_hidden_layers: 2, use_sliding_window: false };
  const { blocks } = describeModel({ ...config, sliding_window: 0 }, 'config.json');
  expect(blocks.map(({ graphKey }) => graphKey)).toEqual(
    Array(2).fill('qwen2_moe full_attention with experts'),
  );
});

it('Gemma alone needs BOS before every text, also as the text model of another', () => {
  const needsBos = (config: object) => describeModel(config, 'config.json').beginsWithBos === true;
  const gemma = ['gemma', 'gemma2', 'gemma3_text', 'gemma3'].map((model_type) => ({ model_type }));
  const withGemma = { model_type: 'llava', text_config: { model_type: 'gemma' } };
  expect([...gemma, withGemma].map(needsBos)).toEqual([true, true, true, true, true]);
  const others = ['llama', 'mistral', 'qwen2', 'opt', 'cohere', 'llava'].map((model_type) => ({
    model_type,
  }));
  expect(others.map(needsBos)).toEqual(others.map(() => false));
});
