// Hostile files, and the command each is given to.
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  cpSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { copyGoldenModel } from '../golden-model.mjs';

const quickstart = fileURLToPath(new URL('../../models/quickstart', import.meta.url));
const golden = fileURLToPath(new URL('../../test/golden', import.meta.url));
const MB = 1e6;

/** A file of `size` bytes with `text` at its start, the rest a hole of zeros. */
function sparse(path, text, size) {
  const descriptor = openSync(path, 'w');
  writeSync(descriptor, text);
  ftruncateSync(descriptor, size);
  closeSync(descriptor);
}

/** `piece` over and over, `size` bytes of it, between `before` and `after`. */
function filled(path, before, piece, size, after = '') {
  const descriptor = openSync(path, 'w');
  writeSync(descriptor, before);
  const part = Buffer.from(piece.repeat(Math.ceil(1e6 / piece.length)));
  for (let done = 0; done < size; done += part.length)
    writeSync(descriptor, part, 0, Math.min(part.length, size - done));
  writeSync(descriptor, after);
  closeSync(descriptor);
}

const safetensors = (json, claim = Buffer.byteLength(json)) => {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(claim));
  return Buffer.concat([length, Buffer.from(json)]);
};

const json = JSON.stringify;
const parsed = (path) => JSON.parse(readFileSync(path, 'utf8'));

/** Changes a JSON file of the checkpoint. */
const edited = (name, change) => (model) => {
  const path = join(model, name);
  const value = parsed(path);
  change(value);
  writeFileSync(path, json(value));
};

const config = (changes) => edited('config.json', (value) => Object.assign(value, changes));
const replaced = (name, content) => (model) => writeFileSync(join(model, name), content);
const tokenizer = (change) => edited('tokenizer.json', change);
const pattern = (Regex) =>
  tokenizer((value) => {
    const split = { type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false };
    value.pre_tokenizer = {
      type: 'Sequence',
      pretokenizers: [split, { type: 'ByteLevel', use_regex: false }],
    };
  });
const INDEX = 'model.safetensors.index.json';
const SHARD = 'model-00001-of-00002.safetensors';
const index = (change) => edited(INDEX, ({ weight_map: map }) => change(map));
const first = (file) =>
  index((map) => {
    map[Object.keys(map)[0]] = file;
  });

/** name → what is done to a copy of the quickstart checkpoint, which `secateur inspect` then opens. */
const checkpoints = {
  'header that claims 2^60 bytes': replaced(SHARD, safetensors('{}', 2 ** 60)),
  'header that claims 31 MB in a small file': replaced(SHARD, safetensors('{}', 31 * MB)),
  'header of 31 MB of zeros': (model) => sparse(join(model, SHARD), safetensors('', 31 * MB), 31 * MB + 8),
  'header of 31 MB of []': (model) =>
    filled(join(model, SHARD), safetensors('{"a":[', 31 * MB + 6).subarray(0, 14), '[],', 31 * MB),
  'header of 31 MB of \\n in one name': (model) =>
    filled(join(model, SHARD), safetensors('{"', 31 * MB + 2).subarray(0, 10), '\\n', 31 * MB),
  'header of 2 million tensors': (model) => {
    let text = '{';
    for (let i = 0; text.length < 31 * MB; i++) text += `"${i}":0,`;
    writeFileSync(join(model, SHARD), safetensors(`${text}"":0}`));
  },
  'header nested 1,000,000 deep': replaced(SHARD, safetensors(`{"a":${'['.repeat(1e6)}`)),
  'index of 100 MB': (model) => sparse(join(model, INDEX), '{', 100 * MB),
  'index of 47 MB of entries': (model) => {
    let text = '{"weight_map":{';
    for (let i = 0; text.length < 47 * MB; i++) text += `"${i}":"a.safetensors",`;
    writeFileSync(join(model, INDEX), `${text}"":""}}`);
  },
  'index nested 1,000,000 deep': replaced(INDEX, `{"weight_map":${'{"a":'.repeat(1e6)}`),
  'index with a key twice': replaced(INDEX, '{"weight_map":{"a":"a.safetensors","a":"b.safetensors"}}'),
  'index that names ../x.safetensors': first('../x.safetensors'),
  'index that names /etc/x.safetensors': first('/etc/x.safetensors'),
  'index that names a missing shard': first('gone.safetensors'),
  'index that puts a tensor in the wrong shard': index((map) => {
    for (const name of Object.keys(map)) map[name] = SHARD;
  }),
  'shard that is a link out of the folder': (model) => {
    rmSync(join(model, SHARD));
    symlinkSync(join(quickstart, SHARD), join(model, SHARD));
  },
  'shard that is a link to itself': (model) => {
    rmSync(join(model, SHARD));
    symlinkSync(SHARD, join(model, SHARD));
  },
  'shard that is a folder': (model) => {
    rmSync(join(model, SHARD));
    mkdirSync(join(model, SHARD));
  },
  'shard that is a named pipe': (model) => {
    rmSync(join(model, SHARD));
    execFileSync('mkfifo', [join(model, SHARD)]);
  },
  'shard cut in half': (model) => {
    const bytes = readFileSync(join(model, SHARD));
    writeFileSync(join(model, SHARD), bytes.subarray(0, bytes.length / 2));
  },
  'config.json of 100 MB': (model) => sparse(join(model, 'config.json'), '{', 100 * MB),
  'config.json nested 100,000 deep': replaced('config.json', `{"a":${'['.repeat(1e5)}${']'.repeat(1e5)}}`),
  'config.json of 4 MB of []': replaced('config.json', `{"a":[${'[],'.repeat(1.3e6)}[]]}`),
};

/** The same, for `secateur plan` of a run that calibrates on a text and a conversation. */
const plans = {
  'config.json: hidden_size 2^53': config({ hidden_size: 2 ** 53 }),
  'config.json: 1,000,000,000 layers': config({ num_hidden_layers: 1e9 }),
  'config.json: 4096 layers': config({ num_hidden_layers: 4096 }),
  'config.json: vocab_size 2^24': config({ vocab_size: 2 ** 24 }),
  'config.json: head_dim 2^24': config({ head_dim: 2 ** 24 }),
  'config.json: negative size': config({ intermediate_size: -1 }),
  'config.json: fractional size': config({ hidden_size: 64.5 }),
  'config.json: size as text': config({ hidden_size: '64' }),
  'config.json: size 1e999': (model) => {
    const path = join(model, 'config.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace(/"hidden_size": *\d+/, '"hidden_size": 1e999'));
  },
  'tokenizer.json: 100 MB of garbage': (model) =>
    filled(join(model, 'tokenizer.json'), '{', '\u0001x', 100 * MB),
  'tokenizer.json: 47 MB of garbage': (model) => filled(join(model, 'tokenizer.json'), '{', 'x', 47 * MB),
  'tokenizer.json: 47 MB of []': (model) =>
    filled(join(model, 'tokenizer.json'), '{"a":[', '[],', 47 * MB, '[]]}'),
  'tokenizer.json: 47 MB of one string': (model) =>
    filled(join(model, 'tokenizer.json'), '{"a":"', 'x', 47 * MB),
  'tokenizer.json: nested 100,000 deep': replaced(
    'tokenizer.json',
    `{"a":${'['.repeat(1e5)}${']'.repeat(1e5)}}`,
  ),
  'tokenizer.json: no model': replaced('tokenizer.json', '{}'),
  'tokenizer.json: wrong types': tokenizer((value) => {
    Object.assign(value, {
      pre_tokenizer: 7,
      normalizer: 'x',
      decoder: [],
      model: { ...value.model, merges: { a: 1 } },
    });
  }),
  'tokenizer.json: merges that are none': tokenizer((value) => {
    value.model.merges = [1, null, 'x', ['a'], ['a', 'b', 'c']];
  }),
  'tokenizer.json: negative id': tokenizer((value) => {
    value.model.vocab[Object.keys(value.model.vocab)[5]] = -1;
  }),
  'tokenizer.json: id 2^31': tokenizer((value) => {
    value.model.vocab[Object.keys(value.model.vocab)[5]] = 2 ** 31;
  }),
  'tokenizer.json: ids beyond the model': tokenizer((value) => {
    for (const token of Object.keys(value.model.vocab)) value.model.vocab[token] += 100_000;
    for (const token of value.added_tokens) token.id += 100_000;
  }),
  'tokenizer.json: pattern that never ends': pattern('(?:[a-z ,.]+)+!{9}'),
  'tokenizer.json: pattern nested 100,000 deep': pattern(`${'(?:'.repeat(1e5)}a${')*'.repeat(1e5)}`),
  'tokenizer.json: pattern of 70,000 characters': pattern('[\\p{L}]'.repeat(1e4)),
  'tokenizer.json: pattern that is none': pattern('(?<a'),
  'tokenizer.json: 40 normalisers that double': tokenizer((value) => {
    const twice = { type: 'Replace', pattern: { String: 'e' }, content: 'ee' };
    value.normalizer = { type: 'Sequence', normalizers: Array(40).fill(twice) };
  }),
  'tokenizer.json: normaliser that puts 1 MB before each letter': tokenizer((value) => {
    value.normalizer = { type: 'Replace', pattern: { Regex: '' }, content: 'x'.repeat(MB) };
  }),
  'tokenizer.json: added tokens that are none': tokenizer((value) => {
    value.added_tokens.push({ id: 7, content: null }, { id: 8 }, { id: 9, content: { a: 1 } });
  }),
  'tokenizer.json: Unigram with scores that are none': tokenizer((value) => {
    const vocab = Array.from({ length: 500 }, (_, i) => [i % 2 ? '' : `a${i}`, i % 3 ? null : 'x']);
    Object.assign(value, { added_tokens: [], pre_tokenizer: null });
    value.model = { type: 'Unigram', unk_id: 0, vocab };
  }),
  'tokenizer.json: Unigram of one piece of 10 MB': tokenizer((value) => {
    value.model = {
      type: 'Unigram',
      unk_id: 0,
      vocab: [
        ['<unk>', 0],
        ['a'.repeat(10 * MB), -1],
      ],
    };
  }),
  'tokenizer.json: WordPiece without limits': tokenizer((value) => {
    const { vocab } = value.model;
    value.model = {
      type: 'WordPiece',
      vocab,
      unk_token: 'no such',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 1e308,
    };
    value.pre_tokenizer = null;
  }),
  'chat template: four nested loops': replaced(
    'chat_template.jinja',
    `${'{% for a in range(99999) %}'.repeat(4)}${'{% endfor %}'.repeat(4)}`,
  ),
  'chat template: range of 10^9': replaced(
    'chat_template.jinja',
    '{% for a in range(1000000000) %}{% endfor %}',
  ),
  'chat template: endless recursion': replaced(
    'chat_template.jinja',
    '{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}',
  ),
  'chat template: text that doubles': replaced(
    'chat_template.jinja',
    "{% set n = namespace(s='ab') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}{{ n.s | upper }}",
  ),
  'chat template: list that doubles': replaced(
    'chat_template.jinja',
    '{% set n = namespace(s=[1]) %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}',
  ),
  'chat template: 100,000 brackets': replaced(
    'chat_template.jinja',
    `{{ ${'('.repeat(1e5)}1${')'.repeat(1e5)} }}`,
  ),
  'chat template: 100,000 times not': replaced('chat_template.jinja', `{{ ${'not '.repeat(1e5)}1 }}`),
  'chat template: 10 MB': (model) => filled(join(model, 'chat_template.jinja'), '', '{{ 1 }}', 10 * MB),
};

/** A golden checkpoint of this family in the place of the quickstart's, its config changed. */
const family = (name, changes) => (model) => {
  rmSync(model, { recursive: true });
  copyGoldenModel(join(golden, name), model);
  config(changes)(model);
};

/** name → the same for models of other families. */
const families = {
  'Mixtral of 32,768 experts': family('families/mixtral', { num_hidden_layers: 4096, num_local_experts: 8 }),
  'gpt-oss of 32,768 experts': family('families/gpt_oss', {
    ...{ num_hidden_layers: 4096, num_local_experts: 8, layer_types: undefined },
  }),
  'Qwen3-MoE with 490,000 blocks without experts': family('families/qwen3-moe', {
    ...{ num_hidden_layers: 4096, num_experts: 8, mlp_only_layers: Array(490_000).fill(-1) },
  }),
  'StableLM of 4 million normalised heads': family('families/stablelm-parallel', {
    ...{ hidden_size: 2 ** 24, num_attention_heads: 2 ** 22, num_key_value_heads: 2 ** 22 },
    ...{ num_hidden_layers: 4096, partial_rotary_factor: 1 },
  }),
  'layer_types too short': family('families/gemma3', { layer_types: ['full_attention'] }),
  'layer_types too long': family('families/gemma3', { layer_types: Array(100_000).fill('full_attention') }),
  'rope_parameters nested': family('families/gemma3-rope-parameters', {
    rope_parameters: { full_attention: { rope_type: { a: 1 }, rope_theta: 'x' } },
  }),
  'FP8 blocks of 2^53': quantization('qwen3-fp8', { weight_block_size: [2 ** 53, 2 ** 53] }),
  'FP8 blocks of 0': quantization('qwen3-fp8', { weight_block_size: [0, 0] }),
  'FP8 blocks of 65,536': quantization('qwen3-fp8', { weight_block_size: [65_536, 65_536] }),
  'FP8 blocks of 100,000 sides': quantization('qwen3-fp8', { weight_block_size: Array(1e5).fill(1) }),
  'quantized by __proto__': quantization('qwen3-fp8', { quant_method: '__proto__' }),
  'MXFP4 that says it is FP8': quantization('gpt-oss-mxfp4', {
    ...{ quant_method: 'fp8', weight_block_size: [1, 1] },
  }),
};

function quantization(name, changes) {
  const { quantization_config: own } = parsed(join(golden, 'quantized', name, 'config.json'));
  return family(`quantized/${name}`, { quantization_config: { ...own, ...changes } });
}

/** A .parquet with this footer. */
const footer = (bytes, claim = bytes.length) => {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(claim);
  return Buffer.concat([Buffer.from('PAR1'), bytes, length, Buffer.from('PAR1')]);
};

/** A .parquet of texts, whose compressed bytes are made by `compress`. */
function parquet(codec, compress) {
  const data = Array.from({ length: 1000 }, (_, i) => `text number ${i % 50}`);
  const column = { name: 'text', data, type: 'STRING' };
  return Buffer.from(parquetWriteBuffer({ columnData: [column], codec, compressors: { [codec]: compress } }));
}

/** In a gzip of a hundredth of it, a hundred times. */
const tenGigabytes = (piece) =>
  Buffer.concat(Array(100).fill(gzipSync(Buffer.alloc(100 * MB, piece), { level: 1 })));

const otherColumn = () =>
  Buffer.from(parquetWriteBuffer({ columnData: [{ name: 'text', data: [1, 2], type: 'INT32' }] }));

/** A .parquet of one conversation, whose messages all are one text that is in it once. */
function oneTextOverAndOver(bytes, messages) {
  const message = { role: 'user', content: 'word '.repeat(bytes / 5) };
  const schema = [
    { name: 'root', num_children: 1 },
    { name: 'messages', repetition_type: 'REQUIRED', converted_type: 'LIST', num_children: 1 },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    { name: 'element', repetition_type: 'REQUIRED', num_children: 2 },
    { name: 'role', repetition_type: 'REQUIRED', type: 'BYTE_ARRAY', converted_type: 'UTF8' },
    { name: 'content', repetition_type: 'REQUIRED', type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  ];
  const column = { name: 'messages', data: [Array(messages).fill(message)] };
  return Buffer.from(parquetWriteBuffer({ schema, columnData: [column] }));
}

/** Snappy of one piece of five bytes less than none: it goes back to where it begins. */
const endlessSnappy = () => Buffer.from([0xff, 0x7f, 0xfc, 0xfa, 0xff, 0xff, 0xff, ...Array(20).fill(0)]);

/** After a dictionary as it is, a page whose first entry of it comes 2^31-1 times. */
function endlessRuns() {
  let pages = 0;
  return (bytes) => {
    const page = Buffer.from(bytes);
    if (pages++ > 0) page.set([1, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0]);
    return gzipSync(page);
  };
}

/** name → makes the calibration text in a folder and gives its path. */
const texts = {
  'line of 100 MB': (folder) =>
    filled(join(folder, 'a.jsonl'), '{"text":"', 'word ', 100 * MB, '"}\n') ?? join(folder, 'a.jsonl'),
  'line of 600 MB, no line end': (folder) =>
    filled(join(folder, 'a.jsonl'), '{"text":"', 'word ', 600 * MB) ?? join(folder, 'a.jsonl'),
  'line of 15 MB of []': (folder) =>
    filled(join(folder, 'a.jsonl'), '{"text":[', '[],', 15 * MB, '[]]}\n') ?? join(folder, 'a.jsonl'),
  'line nested 100,000 deep': (folder) => written(folder, 'a.jsonl', `{"text":${'['.repeat(1e5)}`),
  'line that is not UTF-8': (folder) => written(folder, 'a.jsonl', Buffer.from('{"text":"\xff"}', 'latin1')),
  'line with NULs': (folder) => written(folder, 'a.jsonl', '{"text":"a\0b"}'),
  '.txt that is not UTF-8': (folder) =>
    written(folder, 'a.txt', Buffer.from('caf\xe9 '.repeat(999), 'latin1')),
  '.txt in UTF-16': (folder) =>
    written(folder, 'a.txt', Buffer.from('words and words '.repeat(999), 'utf16le')),
  '.txt of 5 GB': (folder) => sparse(join(folder, 'a.txt'), 'words', 5e9) ?? join(folder, 'a.txt'),
  '.txt that is a folder': (folder) => mkdirSync(join(folder, 'b.txt')) ?? join(folder, 'b.txt'),
  '.txt that is a named pipe': (folder) => {
    execFileSync('mkfifo', [join(folder, 'c.txt')]);
    return join(folder, 'c.txt');
  },
  '.txt that is /dev/zero': (folder) => {
    symlinkSync('/dev/zero', join(folder, 'd.txt'));
    return join(folder, 'd.txt');
  },
  '.jsonl.gz of a line of 10 GB': (folder) => written(folder, 'a.jsonl.gz', tenGigabytes('a')),
  '.jsonl.gz cut in half': (folder) =>
    written(folder, 'a.jsonl.gz', gzipSync('{"text":"words"}\n').subarray(0, 20)),
  '.jsonl.gz that is none': (folder) => written(folder, 'a.jsonl.gz', '{"text":"words"}\n'),
  '.jsonl.zst of a line of 1 GB': (folder) =>
    written(folder, 'a.jsonl.zst', zstdFrame(0x50, Array(8_000).fill([0x02, 0x00, 0x10, 0x61]).flat())),
  '.jsonl.zst with work for hours': (folder) =>
    // Each block has 98,047 matches of 65,539 bytes.
    written(
      folder,
      'a.jsonl.zst',
      zstdFrame(0x50, Array(1_000).fill([0x54, 0, 0, 8, 0x61, 255, 255, 255, 0x54, 0, 0, 52, 1]).flat()),
    ),
  '.jsonl.zst with a window of 3 TB': (folder) => written(folder, 'a.jsonl.zst', zstdFrame(0xff, [1, 0, 0])),
  '.jsonl.gz of 10 GB of line ends': (folder) => written(folder, 'a.jsonl.gz', tenGigabytes('\n')),
  '.jsonl.gz of 10 GB of documents without text': (folder) =>
    written(folder, 'a.jsonl.gz', tenGigabytes('{"text":""}\n')),
  '.txt.gz of 10 GB': (folder) => written(folder, 'a.txt.gz', tenGigabytes('words ')),
  '.jsonl of 12 MB of documents without text': (folder) =>
    filled(join(folder, 'a.jsonl'), '', '{"text":""}\n', 12 * MB) ?? join(folder, 'a.jsonl'),
  '.parquet of a million rows without text': (folder) =>
    written(
      folder,
      'a.parquet',
      Buffer.from(
        parquetWriteBuffer({ columnData: [{ name: 'text', data: Array(MB).fill(''), type: 'STRING' }] }),
      ),
    ),
  '.parquet that claims a footer of 4 GB': (folder) =>
    written(folder, 'a.parquet', footer(Buffer.alloc(100), 2 ** 32 - 1)),
  '.parquet that claims a footer of 31 MB': (folder) =>
    written(folder, 'a.parquet', footer(Buffer.alloc(100), 31 * MB)),
  '.parquet with a footer of 31 MB of structures': (folder) =>
    written(folder, 'a.parquet', footer(Buffer.alloc(31 * MB, Buffer.from([0x1c, 0])))),
  '.parquet with a footer of 31 MB of one number': (folder) =>
    written(folder, 'a.parquet', footer(Buffer.concat([Buffer.from([0x16]), Buffer.alloc(31 * MB, 0x80)]))),
  '.parquet with a footer nested 1,000,000 deep': (folder) =>
    written(folder, 'a.parquet', footer(Buffer.alloc(MB, 0x1c))),
  '.parquet with a page of gzip of 1 GB': (folder) =>
    written(
      folder,
      'a.parquet',
      parquet('GZIP', () => gzipSync(Buffer.alloc(1e9), { level: 1 })),
    ),
  '.parquet with a page of snappy without end': (folder) =>
    written(folder, 'a.parquet', parquet('SNAPPY', endlessSnappy)),
  '.parquet with a run of 2^31 texts': (folder) =>
    written(folder, 'a.parquet', parquet('GZIP', endlessRuns())),
  '.parquet of one text of 10 MB 9,000 times': (folder) =>
    written(folder, 'a.parquet', oneTextOverAndOver(10 * MB, 9_000)),
  '.parquet of another column': (folder) => written(folder, 'a.parquet', otherColumn()),
};

/** With a byte that says how large the window is, and blocks that are not the last. */
function zstdFrame(window, blocks) {
  return Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, window, ...blocks]);
}

function written(folder, name, content) {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const laughs = `a: &a [${'x,'.repeat(9)}]\n${[...'bcdefghi'].map((name, i) => `${name}: &${name} [${`*${'abcdefghi'[i]},`.repeat(9)}]\n`).join('')}`;
const many = (line) => Array.from({ length: 4000 }, (_, i) => line(i)).join('');

/** name → a run file's text. */
const runFiles = {
  'aliases of aliases (a billion laughs)': laughs,
  'an alias within what it names': 'a: &a [*a]\n',
  '90,000 brackets': '['.repeat(90_000),
  '50,000 dashes': '- '.repeat(45_000),
  '4000 keys': many((i) => `key${i}: 1\n`),
  'the same key 4000 times': many(() => 'a: 1\n'),
  '4000 anchors and aliases': many((i) => `k${i}: &k${i} [x]\n`),
  '49,000 bad escapes': `"${'\\x'.repeat(49_000)}"`,
  'merge keys': 'a: &a {x: 1}\nb: {<<: *a}\n',
  '!!js/function': 'model: !!js/function "function () {}"\n',
  '!!binary': 'model: !!binary AAAA\n',
  'NUL bytes': 'model: a\0b\n',
  tabs: 'model:\n\tx: 1\n',
  'a byte order mark in the middle': 'a: 1\n\ufeffb: 2\n',
  'a second document': 'a: 1\n---\nb: 2\n',
};

const report = (change) => {
  const layer = { name: 'model.layers.0.mlp.up_proj', block: 0 };
  return json(change({ version: 1, layers: [layer] }));
};

/** name → writes a report.json. */
const reports = {
  '200 MB': (path) => sparse(path, '{', 200 * MB),
  '31 MB of []': (path) => filled(path, '{"a":[', '[],', 31 * MB, '[]]}'),
  'nested 100,000 deep': (path) => writeFileSync(path, `{"a":${'['.repeat(1e5)}${']'.repeat(1e5)}}`),
  'of another kind': (path) =>
    writeFileSync(
      path,
      report((value) => value),
    ),
  '400,000 unknown keys': (path) =>
    writeFileSync(path, `{${Array.from({ length: 4e5 }, (_, i) => `"k${i}":1`).join(',')}}`),
  'a named pipe': (path) => execFileSync('mkfifo', [path]),
};

/** A copy of the quickstart checkpoint, changed. */
function changedModel(folder, change) {
  const model = join(folder, 'model');
  cpSync(quickstart, model, { recursive: true });
  change(model);
  return model;
}

/** A run file that calibrates `model` on `data`. */
function runFile(folder, model, data) {
  return written(
    folder,
    'run.yaml',
    json({
      ...{ model, output: join(folder, 'out'), calibration: { data, samples: 2, sequence_length: 32 } },
      ...{ prune: { method: 'wanda', sparsity: 0.5 }, resources: { workers: 1 } },
    }),
  );
}

const conversation = [
  {
    role: 'user',
    content: 'which branches should be cut, and which should be left alone to bear fruit next year',
  },
  { role: 'assistant', content: 'those that bear none '.repeat(20) },
];

const each = (group, cases, prepare) =>
  Object.entries(cases).map(([name, value]) => ({
    group,
    name,
    prepare: (folder) => prepare(folder, value),
  }));

/** Every case: `prepare(folder)` makes its files in an empty folder and gives the arguments of `secateur`. */
export const CASES = [
  ...each('checkpoint', checkpoints, (folder, change) => ['inspect', changedModel(folder, change)]),
  ...each('family', families, (folder, change) => {
    const text = written(folder, 'a.txt', 'words and more of them '.repeat(99));
    return ['plan', runFile(folder, changedModel(folder, change), text)];
  }),
  ...each('checkpoint', plans, (folder, change) => {
    const line = `${json({ messages: conversation })}\n`;
    return [
      'plan',
      runFile(folder, changedModel(folder, change), written(folder, 'a.jsonl', line.repeat(9))),
    ];
  }),
  ...each('text', texts, (folder, make) => ['plan', runFile(folder, quickstart, make(folder))]),
  ...each('run file', runFiles, (folder, text) => ['prune', written(folder, 'run.yaml', text)]),
  ...each('run file', { '100 MB': 0 }, (folder) => {
    sparse(join(folder, 'run.yaml'), 'a: 1\n', 100 * MB);
    return ['prune', join(folder, 'run.yaml')];
  }),
  ...each('--set', { ...runFiles, '90,000 brackets': '['.repeat(90_000) }, (folder, text) => [
    ...['prune', runFile(folder, quickstart, 'a.txt'), '--set', `model=${text.replaceAll('\0', '\u0001')}`],
  ]),
  ...each('report.json', reports, (folder, write) => {
    mkdirSync(join(folder, 'secateur'));
    write(join(folder, 'secateur', 'report.json'));
    return ['report', folder];
  }),
];
