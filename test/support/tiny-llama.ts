/** The random tiny Llama of most golden data, for whole runs over windows of given tokens. @module */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { writeCharacterTokenizer } from './character-tokenizer.js';
import { makeShallowModel } from './shallow-model.js';

export const tinyLlama = fileURLToPath(new URL('../golden/tiny-llama/gqa-tied', import.meta.url));

const VOCABULARY = 160;
/** Letters from here on are the tokens. */
const FIRST_LETTER = 0x100;

/** Copies it with a tokenizer, and with some of its three blocks if not all. */
export function makeTinyLlama(to: string, blocks: readonly number[] = [0, 1, 2]): void {
  makeShallowModel(tinyLlama, to, blocks);
  writeCharacterTokenizer(to, FIRST_LETTER, VOCABULARY);
}

/** Writes a text whose tokens are these. */
export function writeTokens(path: string, ids: readonly number[]): void {
  writeFileSync(path, ids.map((id) => String.fromCharCode(FIRST_LETTER + id)).join(''));
}
