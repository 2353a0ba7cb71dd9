import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RequestError } from '../../src/errors.js';

/** The folder of the committed tokenizer: byte-level BPE, 384 tokens, a chat template. */
export const tinyTokenizer = fileURLToPath(new URL('../golden/tiny-tokenizer', import.meta.url));

/** Runs `body` with an empty folder that is gone afterwards; `write` puts a file there and gives its path. */
export async function inFolder<T>(
  body: (folder: string, write: (name: string, content: string | Uint8Array) => string) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'secateur-calibration-'));
  try {
    return await body(folder, (name, content) => {
      const path = join(folder, name);
      writeFileSync(path, content);
      return path;
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The message of the RequestError that `body` ends with. */
export async function refusal(body: () => Promise<unknown>): Promise<string> {
  try {
    await body();
  } catch (error) {
    if (error instanceof RequestError) return error.message;
    throw error;
  }
  throw new Error('this was expected to be refused');
}
