/** A model small enough that a whole run of it is a matter of starting the process. @module */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { normals } from '../support/random.js';

const quickstart = fileURLToPath(new URL('../../models/quickstart', import.meta.url));

export const BLOCKS = 3;
const HIDDEN = 32;
const INTERMEDIATE = 64;
const VOCABULARY = 2048;

/** Writes a Llama with the tokenizer of the quickstart model, in two shards, f32, seeded. */
export function writeTinyModel(folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const name of ['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json'])
    cpSync(join(quickstart, name), join(folder, name));
  writeFileSync(
    join(folder, 'config.json'),
    JSON.stringify({
      architectures: ['LlamaForCausalLM'],
      model_type: 'llama',
      hidden_act: 'silu',
      hidden_size: HIDDEN,
      intermediate_size: INTERMEDIATE,
      num_hidden_layers: BLOCKS,
      num_attention_heads: 4,
      num_key_value_heads: 2,
      max_position_embeddings: 128,
      rms_norm_eps: 1e-5,
      rope_theta: 10000,
      tie_word_embeddings: true,
      vocab_size: VOCABULARY,
      torch_dtype: 'float32',
    }),
  );
  const tensors: [string, number[]][] = [['model.embed_tokens.weight', [VOCABULARY, HIDDEN]]];
  for (let block = 0; block < BLOCKS; block++) {
    const prefix = `model.layers.${block}.`;
    tensors.push(
      [`${prefix}input_layernorm.weight`, [HIDDEN]],
      [`${prefix}self_attn.q_proj.weight`, [HIDDEN, HIDDEN]],
      [`${prefix}self_attn.k_proj.weight`, [HIDDEN / 2, HIDDEN]],
      [`${prefix}self_attn.v_proj.weight`, [HIDDEN / 2, HIDDEN]],
      [`${prefix}self_attn.o_proj.weight`, [HIDDEN, HIDDEN]],
      [`${prefix}post_attention_layernorm.weight`, [HIDDEN]],
      [`${prefix}mlp.gate_proj.weight`, [INTERMEDIATE, HIDDEN]],
      [`${prefix}mlp.up_proj.weight`, [INTERMEDIATE, HIDDEN]],
      [`${prefix}mlp.down_proj.weight`, [HIDDEN, INTERMEDIATE]],
    );
  }
  tensors.push(['model.norm.weight', [HIDDEN]]);
  const half = tensors.findIndex(([name]) => name.startsWith('model.layers.1.'));
  const map: Record<string, string> = {};
  for (const [index, part] of [tensors.slice(0, half), tensors.slice(half)].entries()) {
    const file = `model-0000${index + 1}-of-00002.safetensors`;
    writeFileSync(join(folder, file), safetensors(part, 100 + index));
    for (const [name] of part) map[name] = file;
  }
  writeFileSync(
    join(folder, 'model.safetensors.index.json'),
    JSON.stringify({ metadata: {}, weight_map: map }),
  );
}

function safetensors(tensors: readonly (readonly [string, readonly number[]])[], seed: number): Buffer {
  const header: Record<string, object> = {};
  let end = 0;
  const data = tensors.map(([name, shape], index) => {
    const size = shape.reduce((product, n) => product * n, 1);
    const values = normals(size, seed * 1000 + index).map((x) => (shape.length === 1 ? 1 + x / 10 : x / 8));
    header[name] = { dtype: 'F32', shape, data_offsets: [end, end + size * 4] };
    end += size * 4;
    return Buffer.from(values.buffer);
  });
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, ...data]);
}
