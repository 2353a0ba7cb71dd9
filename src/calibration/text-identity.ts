/**
 * What makes a text the same text, whatever its file is called.
 * @module
 */
import { createHash } from 'node:crypto';
import type { TextSource } from '../config/text-source.js';
import { localTextFile } from './local-text-file.js';
import { textEnding } from './read-documents.js';

/**
 * The source with the SHA-256 of what its file holds, and how that is read, in the place of the path; of a dataset on the hub its commit says as much.
 * @throws RequestError when there is no such file or it can't be read; the signal's reason
 */
export async function textIdentity(
  source: TextSource,
  signal?: AbortSignal,
): Promise<Record<string, unknown>> {
  if (!('path' in source)) return { ...source };
  const { path, ...others } = source;
  const hash = createHash('sha256');
  for await (const chunk of localTextFile(path).chunks()) {
    signal?.throwIfAborted();
    hash.update(chunk);
  }
  return { ...others, ...textEnding(path), sha256: hash.digest('hex') };
}
