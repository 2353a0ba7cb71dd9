import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openTextSource, sourceDocuments } from '../../src/calibration/open-text-source.js';
import type { TextDocument } from '../../src/calibration/text-document.js';
import type { TextSource } from '../../src/config/text-source.js';
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

/** All documents of a source; a text stands for the path of a file. */
export async function documentsOf(source: TextSource | string): Promise<TextDocument[]> {
  const open = await openTextSource(typeof source === 'string' ? { path: source } : source);
  const documents: TextDocument[] = [];
  for await (const document of sourceDocuments(open)) documents.push(document);
  return documents;
}

/** What of a document doesn't depend on the file it is in. */
export const contentOf = (document: TextDocument) => ('text' in document ? document.text : document.messages);

/** What this process has open under `folder`, where the system tells. */
export function openFiles(folder: string): string[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc/self/fd').flatMap((descriptor) => {
    const target = readlinkIfThere(`/proc/self/fd/${descriptor}`);
    return target?.startsWith(folder) ? [target] : [];
  });
}

function readlinkIfThere(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    // The descriptor that the list itself was read from.
    return undefined;
  }
}
