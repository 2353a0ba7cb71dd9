// node scripts/make-synthetic-checkpoint.mjs --shape llama-2-7b --out FOLDER [--blocks N] [--vocabulary N] [--seed N]
// [--shard-size BYTES]: writes a checkpoint with the shapes and config of a real model and random bf16 weights:
// matrices N(0, 0.02²), norms 1. It measures what pruning costs in memory and time; the model's words mean nothing.
// The tokenizer is the quickstart model's, whose ids all lie below the vocabulary.
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const QUICKSTART = fileURLToPath(new URL('../models/quickstart/', import.meta.url));
/** Ids of the quickstart tokenizer. */
const TOKENIZER_SIZE = 2048;
const DEVIATION = 0.02;
const BF16_ONE = 0x3f80;
/** As the hub's checkpoints are cut. */
const SHARD_BYTES = 5_000_000_000;

/**
 * Independent draws that the weights are taken from, one after the other and round and round. A prime, and more than
 * any matrix has rows, so that no two rows of a matrix begin at the same draw.
 */
const DRAWS = 12_345_701;

const llama = {
  architectures: ['LlamaForCausalLM'],
  attention_bias: false,
  attention_dropout: 0.0,
  hidden_act: 'silu',
  initializer_range: 0.02,
  mlp_bias: false,
  model_type: 'llama',
  pretraining_tp: 1,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: false,
  torch_dtype: 'bfloat16',
  use_cache: true,
};
const llama2 = {
  ...llama,
  bos_token_id: 1,
  eos_token_id: 2,
  max_position_embeddings: 4096,
  rope_scaling: null,
  rope_theta: 10000.0,
  vocab_size: 32000,
};

/** The models' own config.json, and how many blocks are written unless asked otherwise. */
export const SHAPES = {
  'llama-2-7b': {
    blocks: 32,
    config: {
      ...llama2,
      hidden_size: 4096,
      intermediate_size: 11008,
      num_attention_heads: 32,
      num_key_value_heads: 32,
    },
  },
  'llama-3-8b': {
    blocks: 32,
    config: {
      ...llama,
      bos_token_id: 128000,
      eos_token_id: 128001,
      hidden_size: 4096,
      intermediate_size: 14336,
      max_position_embeddings: 8192,
      num_attention_heads: 32,
      num_key_value_heads: 8,
      rope_scaling: null,
      rope_theta: 500000.0,
      vocab_size: 128256,
    },
  },
  'llama-70b': {
    blocks: 2,
    config: {
      ...llama2,
      hidden_size: 8192,
      intermediate_size: 28672,
      num_attention_heads: 64,
      num_key_value_heads: 8,
    },
  },
  'qwen3-30b-a3b': {
    blocks: 48,
    config: {
      architectures: ['Qwen3MoeForCausalLM'],
      attention_bias: false,
      bos_token_id: 151643,
      decoder_sparse_step: 1,
      eos_token_id: 151645,
      head_dim: 128,
      hidden_act: 'silu',
      hidden_size: 2048,
      intermediate_size: 6144,
      max_position_embeddings: 40960,
      mlp_only_layers: [],
      model_type: 'qwen3_moe',
      moe_intermediate_size: 768,
      norm_topk_prob: true,
      num_attention_heads: 32,
      num_experts: 128,
      num_experts_per_tok: 8,
      num_key_value_heads: 4,
      rms_norm_eps: 1e-6,
      rope_scaling: null,
      rope_theta: 1000000.0,
      tie_word_embeddings: false,
      torch_dtype: 'bfloat16',
      vocab_size: 151936,
    },
  },
  // No model's: blocks so narrow that what grows with the length of a sequence stands out.
  narrow: {
    blocks: 2,
    config: {
      ...llama2,
      hidden_size: 512,
      intermediate_size: 1376,
      num_attention_heads: 8,
      num_key_value_heads: 8,
    },
  },
};

/**
 * @param {{shape: string, out: string, blocks?: number, vocabulary?: number, seed?: number, shardSize?: number}} options
 * @returns {{bytes: number, shards: number}} bytes of all weights
 */
export function makeSyntheticCheckpoint(options) {
  const shape = Object.hasOwn(SHAPES, options.shape) ? SHAPES[options.shape] : undefined;
  if (!shape) throw new Error(`--shape ${options.shape}: known are ${Object.keys(SHAPES).join(', ')}`);
  const blocks = options.blocks ?? shape.blocks;
  const vocabulary = options.vocabulary ?? shape.config.vocab_size;
  if (!Number.isInteger(blocks) || blocks < 1) throw new Error(`--blocks ${blocks}: at least 1`);
  if (!Number.isInteger(vocabulary) || vocabulary < TOKENIZER_SIZE)
    throw new Error(`--vocabulary ${vocabulary}: the tokenizer needs ${TOKENIZER_SIZE}`);
  const config = {
    ...shape.config,
    // Ids that a smaller vocabulary doesn't have become the tokenizer's own.
    ...(vocabulary < shape.config.vocab_size ? { bos_token_id: 0, eos_token_id: 0 } : {}),
    num_hidden_layers: blocks,
    vocab_size: vocabulary,
  };
  const folder = resolve(options.out);
  mkdirSync(folder, { recursive: true });
  const shards = cutShards(listTensors(config), options.shardSize ?? SHARD_BYTES);
  const bytes = writeWeights(folder, shards, drawBf16(options.seed ?? 0));

  const tokenizer = JSON.parse(readFileSync(`${QUICKSTART}tokenizer_config.json`, 'utf8'));
  tokenizer.model_max_length = config.max_position_embeddings;
  writeFileSync(join(folder, 'tokenizer_config.json'), `${JSON.stringify(tokenizer, null, 2)}\n`);
  for (const name of ['tokenizer.json', 'special_tokens_map.json'])
    copyFileSync(QUICKSTART + name, join(folder, name));
  // Last: a folder without it is not whole.
  writeFileSync(join(folder, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
  return { bytes, shards: shards.length };
}

/** Names and shapes as transformers saves Llama's, and with experts Qwen3's. */
function listTensors(config) {
  const { hidden_size: hidden, vocab_size: vocabulary, num_experts: experts } = config;
  const headSize = config.head_dim ?? hidden / config.num_attention_heads;
  const [query, keyValue] = [config.num_attention_heads, config.num_key_value_heads].map(
    (heads) => heads * headSize,
  );
  const tensor = (name, ...shape) => ({ name: `${name}.weight`, shape });
  const network = (name, wide) => [
    tensor(`${name}.gate_proj`, wide, hidden),
    tensor(`${name}.up_proj`, wide, hidden),
    tensor(`${name}.down_proj`, hidden, wide),
  ];
  const mixture = () => [
    tensor('self_attn.q_norm', headSize),
    tensor('self_attn.k_norm', headSize),
    tensor('mlp.gate', experts, hidden),
    ...Array.from({ length: experts }, (_, expert) =>
      network(`mlp.experts.${expert}`, config.moe_intermediate_size),
    ).flat(),
  ];
  const block = (index) =>
    [
      tensor('self_attn.q_proj', query, hidden),
      tensor('self_attn.k_proj', keyValue, hidden),
      tensor('self_attn.v_proj', keyValue, hidden),
      tensor('self_attn.o_proj', hidden, query),
      ...(experts ? mixture() : network('mlp', config.intermediate_size)),
      tensor('input_layernorm', hidden),
      tensor('post_attention_layernorm', hidden),
    ].map(({ name, shape }) => ({ name: `model.layers.${index}.${name}`, shape }));
  return [
    tensor('model.embed_tokens', vocabulary, hidden),
    ...Array.from({ length: config.num_hidden_layers }, (_, index) => block(index)).flat(),
    tensor('model.norm', hidden),
    tensor('lm_head', vocabulary, hidden),
  ];
}

const elementsOf = ({ shape }) => shape.reduce((product, size) => product * size, 1);

/** Tensors in their order; a shard ends before the tensor that would make it longer than `limit`. */
function cutShards(tensors, limit) {
  const shards = [];
  let room = 0;
  for (const tensor of tensors) {
    const bytes = elementsOf(tensor) * 2;
    if (shards.length === 0 || bytes > room) {
      shards.push([]);
      room = limit;
    }
    shards.at(-1).push(tensor);
    room -= bytes;
  }
  return shards;
}

function writeWeights(folder, shards, draws) {
  const ones = new Uint16Array(65_536).fill(BF16_ONE);
  const files = {};
  let total = 0;
  let next = 0;
  for (const [index, tensors] of shards.entries()) {
    const number = (value) => String(value).padStart(5, '0');
    const fileName =
      shards.length === 1
        ? 'model.safetensors'
        : `model-${number(index + 1)}-of-${number(shards.length)}.safetensors`;
    const descriptor = openSync(join(folder, fileName), 'w');
    try {
      writeAll(descriptor, encodeHeader(tensors));
      for (const tensor of tensors) {
        files[tensor.name] = fileName;
        const isNorm = tensor.shape.length === 1;
        total += elementsOf(tensor) * 2;
        for (let left = elementsOf(tensor); left > 0; ) {
          const from = isNorm ? ones : draws.subarray(next);
          const count = Math.min(left, from.length);
          writeAll(descriptor, new Uint8Array(from.buffer, from.byteOffset, count * 2));
          if (!isNorm) next = (next + count) % draws.length;
          left -= count;
        }
      }
    } finally {
      closeSync(descriptor);
    }
  }
  if (shards.length > 1) {
    const index = { metadata: { total_size: total }, weight_map: files };
    writeFileSync(join(folder, 'model.safetensors.index.json'), `${JSON.stringify(index, null, 2)}\n`);
  }
  return total;
}

/** The length of the JSON as a little-endian u64, and the JSON, padded so that the data starts on 8 bytes. */
function encodeHeader(tensors) {
  const header = { __metadata__: { format: 'pt' } };
  let offset = 0;
  for (const tensor of tensors) {
    const end = offset + elementsOf(tensor) * 2;
    header[tensor.name] = { dtype: 'BF16', shape: tensor.shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = Buffer.from(JSON.stringify(header));
  const padded = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ');
  padded.writeBigUInt64LE(BigInt(padded.length - 8));
  json.copy(padded, 8);
  return padded;
}

function writeAll(descriptor, bytes) {
  for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done, bytes.length - done);
}

/** DRAWS values of N(0, DEVIATION²) in bf16 (Box and Muller 1958). */
function drawBf16(seed) {
  const uniform = mulberry32(seed);
  const draws = new Uint16Array(DRAWS + 1);
  const value = new Float32Array(1);
  const bits = new Uint32Array(value.buffer);
  for (let i = 0; i < DRAWS; i += 2) {
    const radius = DEVIATION * Math.sqrt(-2 * Math.log(1 - uniform()));
    const angle = 2 * Math.PI * uniform();
    value[0] = radius * Math.cos(angle);
    draws[i] = (bits[0] + 0x8000) >>> 16;
    value[0] = radius * Math.sin(angle);
    draws[i + 1] = (bits[0] + 0x8000) >>> 16;
  }
  return draws.subarray(0, DRAWS);
}

/** Tommy Ettinger's 32-bit generator: uniform in [0, 1). */
function mulberry32(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function main() {
  const { values } = parseArgs({
    options: {
      shape: { type: 'string' },
      out: { type: 'string' },
      blocks: { type: 'string' },
      vocabulary: { type: 'string' },
      seed: { type: 'string' },
      'shard-size': { type: 'string' },
    },
  });
  if (values.shape === undefined || values.out === undefined)
    throw new Error(
      'usage: make-synthetic-checkpoint.mjs --shape NAME --out FOLDER [--blocks N] [--vocabulary N] [--seed N] [--shard-size BYTES]',
    );
  const number = (text) => (text === undefined ? undefined : Number(text));
  const { bytes, shards } = makeSyntheticCheckpoint({
    shape: values.shape,
    out: values.out,
    blocks: number(values.blocks),
    vocabulary: number(values.vocabulary),
    seed: number(values.seed),
    shardSize: number(values['shard-size']),
  });
  console.log(`${values.out}: ${(bytes / 1e9).toFixed(2)} GB in ${shards} file${shards === 1 ? '' : 's'}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    main();
  } catch (error) {
    console.error(error.message);
    process.exitCode = 2;
  }
}
