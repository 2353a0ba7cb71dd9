// Golden checkpoints with a tokenizer, so that the program can be run on them.
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CHARACTERS = ' \netaoinshrdlcumwfgypbvkTAISHWMBCPNDRLEFGOUjxqzVYKJQXZ,.\'"-:;?!()0123456789';
/** Golden values and how they were made, which aren't part of the checkpoint. */
const EXPECTED = ['expected.safetensors', 'gradients.safetensors', 'variant.json'];

export const goldenFamilies = fileURLToPath(new URL('../test/golden/families', import.meta.url));

/** A tokenizer of characters that fits the vocabulary; the rarer ones are unknown to it. */
function characterTokenizer(vocabularySize) {
  // A text has no token below 2: some models treat that of the padding index in another way.
  const tokens = ['<pad>', '<s>', '<unk>', ...CHARACTERS].slice(0, vocabularySize);
  const nothing = ['truncation', 'padding', 'normalizer', 'pre_tokenizer', 'post_processor', 'decoder'];
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  return {
    version: '1.0',
    added_tokens: [],
    ...Object.fromEntries(nothing.map((part) => [part, null])),
    model: { type: 'BPE', unk_token: '<unk>', fuse_unk: false, byte_fallback: false, vocab, merges: [] },
  };
}

/**
 * Copies a golden checkpoint and puts a tokenizer beside it.
 *
 * @param from a folder of `test/golden`
 */
export function copyGoldenModel(from, to) {
  cpSync(from, to, {
    recursive: true,
    filter: (path) => !EXPECTED.some((file) => path.endsWith(`/${file}`)),
  });
  const config = JSON.parse(readFileSync(join(to, 'config.json'), 'utf8'));
  const { vocab_size: size } = config.text_config ?? config;
  writeFileSync(join(to, 'tokenizer.json'), JSON.stringify(characterTokenizer(size)));
}
