/**
 * What makes a tokenizer the same tokenizer.
 * @module
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { readSmallFile } from '../checkpoint/read-small-file.js';
import { maximumTokenizerBytes, TOKENIZER_FILES } from './tokenizer.js';

/**
 * By name, the SHA-256 (hex) of each file that decides the tokens; one that isn't there is left out.
 * @throws RequestError or RunError naming a file that can't be read
 */
export function tokenizerIdentity({
  folder,
  otherFiles,
}: Pick<Checkpoint, 'folder' | 'otherFiles'>): Record<string, string> {
  const sha256 = (name: string) =>
    createHash('sha256')
      .update(readSmallFile(join(folder, name), maximumTokenizerBytes))
      .digest('hex');
  const present = otherFiles.filter((name) => TOKENIZER_FILES.includes(name));
  return Object.fromEntries(present.map((name) => [name, sha256(name)]));
}
