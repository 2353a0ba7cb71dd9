/** What is copied from a folder beside the weights, and what is downloaded of a repository. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { leftOutReason } from '../../src/checkpoint/file-kinds.js';
import { listOtherFiles, skippedNotes } from '../../src/checkpoint/other-files.js';
import { selectModelFiles } from '../../src/hub/select-model-files.js';
import { temporaryFolders } from './temporary-folder.js';

const newFolder = temporaryFolders();

/** Names that published models have. */
const WEIGHTS = [
  '64.tflite',
  'adapter_model.bin',
  'consolidated.00.pth',
  'consolidated.safetensors',
  'flax_model-00001-of-00002.msgpack',
  'flax_model.msgpack.index.json',
  'ggml-model-q4_0.bin',
  'last.ckpt',
  'model-00001-of-00002.safetensors.partial',
  'model.bin',
  'model.ckpt-1000.data-00000-of-00001',
  'model.ckpt-1000.index',
  'model.ckpt-1000.meta',
  'model.fp16.safetensors',
  'model.gguf.part1of2',
  'model.keras',
  'model.nemo',
  'model.onnx',
  'model.onnx.data',
  'model.onnx_data',
  'model.onnx_data_1',
  'model.pth.tar',
  'model.safetensors.index.fp32.json',
  'MODEL.Q4_K_M.GGUF',
  'openvino_model.bin',
  'openvino_model.xml',
  'optimizer.pt',
  'pytorch_model-00001-of-00002.bin',
  'pytorch_model.bin.index.json',
  'rng_state_0.pth',
  'rust_model.ot',
  'saved_model.pb',
  'tf_model.h5',
  'training_args.bin',
  'weights.00.npz',
];

const FOLDERS: Record<string, readonly string[]> = {
  'checkpoint-500/': ['trainer_state.json', 'model.safetensors'],
  'coreml/': ['text-generation/float32_model.mlpackage/Manifest.json'],
  'float16.mlpackage/': ['Manifest.json', 'Data/com.apple.CoreML/weights/weight.bin'],
  'gguf/': ['README.md'],
  'global_step5/': ['mp_rank_00_model_states.pt', 'latest.txt'],
  'metal/': ['model.bin'],
  'onnx/': ['config.json', 'model_quantized.onnx'],
  'openvino/': ['openvino_model.bin', 'openvino_model.xml', 'openvino_config.json'],
  'original/': ['params.json', 'tokenizer.model'],
  'secateur/': ['report.json', 'run.yaml'],
  '.cache/': ['huggingface/download/config.json'],
};

/** What loaders, and people, want beside the weights. */
const COMPANIONS = [
  'LICENSE',
  'README.md',
  'README.pt-BR.md',
  'README.pt.md',
  'added_tokens.json',
  'assets/voice.json',
  'chat_template.jinja',
  'config.json',
  'convert.gguf.py',
  'merges.txt',
  'modeling_custom.py',
  'qwen.tiktoken',
  'recipe.yaml',
  'sentencepiece.bpe.model',
  'spiece.model',
  'spiece.vocab',
  'tokenizer.json',
  'tokenizer.model',
  'tokenizer_config.json',
  'vocab.json',
];

/** Copied since they are there; not downloaded. */
const FOUND_BESIDE = [
  '.gitattributes',
  'LICENSE-MODEL',
  'images/teaser.png',
  'kernels/gemm.cu',
  'tokenizer.model.v3',
];

const inFolders = Object.entries(FOLDERS).flatMap(([folder, names]) => names.map((name) => folder + name));
const everything = [...WEIGHTS, ...inFolders, ...COMPANIONS, ...FOUND_BESIDE];

function folderOf(paths: readonly string[]): string {
  const folder = newFolder();
  for (const path of paths) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), '');
  }
  return folder;
}

it('a folder is copied without the same weights in other formats', async () => {
  const { otherFiles, skippedFiles } = await listOtherFiles(folderOf(everything), new Set());
  expect(otherFiles).toEqual([...COMPANIONS, ...FOUND_BESIDE].sort());
  expect(skippedFiles.map(({ name }) => name).sort()).toEqual([...WEIGHTS, ...Object.keys(FOLDERS)].sort());
});

it('a repository is downloaded without them as well, and only what is copied', () => {
  const files = [...everything, 'model.safetensors'].map((path) => ({
    path,
    size: 1,
    hash: { algorithm: 'git-sha1' as const, digest: '0'.repeat(40) },
  }));
  const { others, single } = selectModelFiles(files, 'org/name');
  expect(single?.path).toBe('model.safetensors');
  expect(others.map(({ path }) => path).sort()).toEqual([...COMPANIONS].sort());
});

describe('leftOutReason', () => {
  it.each([
    'onnx.json',
    'docs/onnx/a.txt',
    'my-checkpoint-5/a.txt',
    'notes.partial.txt',
    'bin',
    'a.binary',
    'x.task_list.csv',
  ])('has none for %s', (path) => {
    expect(leftOutReason(path)).toBeUndefined();
  });
});

it('what is skipped for one reason is one note, with some names', async () => {
  const shards = Array.from({ length: 9 }, (_, i) => `pytorch_model-0000${i + 1}-of-00009.bin`);
  const { skippedFiles } = await listOtherFiles(
    folderOf([...shards, 'onnx/a.json', 'onnx/b.json', 'gguf/c.json', '.git/d']),
    new Set(),
  );
  expect(skippedNotes(skippedFiles)).toEqual([
    '.git/ was not copied: a hidden folder',
    'gguf/, onnx/ were not copied: not part of the model',
    `${shards.slice(0, 5).join(', ')} and 4 more were not copied: weights that were not read, or the state of a training`,
  ]);
});
