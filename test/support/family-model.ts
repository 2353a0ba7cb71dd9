/** Golden models that a tokenizer goes with, for whole runs. @module */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readSafetensorsHeader } from '../../src/checkpoint/safetensors-header.js';
import { safetensorsBytes } from '../checkpoint/safetensors-bytes.js';

const golden = fileURLToPath(new URL('../golden', import.meta.url));
/** Tokens of the golden models, and of the tokenizer. */
const [TOKENS, VOCABULARY] = [96, 384];

/** Writes the golden model of a name with the rows of its embedding and head repeated until there is one for every token. */
export function makeFamilyModel(name: string, to: string): void {
  const from = join(golden, 'families', name);
  mkdirSync(to);
  const config = JSON.parse(readFileSync(join(from, 'config.json'), 'utf8'));
  writeFileSync(join(to, 'config.json'), JSON.stringify({ ...config, vocab_size: VOCABULARY }));
  for (const file of ['tokenizer.json', 'tokenizer_config.json']) {
    copyFileSync(join(golden, 'tiny-tokenizer', file), join(to, file));
  }
  const path = join(from, 'model.safetensors');
  const source = readFileSync(path);
  let end = 0;
  const tensors = [...readSafetensorsHeader(path).tensors].map(
    ([tensor, { dtype, shape, offset, bytes }]) => {
      const repeats = /wte|embed|lm_head/.test(tensor) && shape[0] === TOKENS ? VOCABULARY / TOKENS : 1;
      const own = source.subarray(offset, offset + bytes);
      const data = Buffer.concat(Array.from({ length: repeats }, () => own));
      const start = end;
      end += data.length;
      const entry = { dtype, shape: shape.with(0, (shape[0] ?? 0) * repeats), data_offsets: [start, end] };
      return { tensor, entry, data };
    },
  );
  const header = Object.fromEntries(tensors.map(({ tensor, entry }) => [tensor, entry]));
  const data = Buffer.concat(tensors.map((tensor) => tensor.data));
  writeFileSync(join(to, 'model.safetensors'), safetensorsBytes(header, data));
}
