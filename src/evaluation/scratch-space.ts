/**
 * Whether the hidden states of an evaluation fit where they lie.
 * @module
 */
import { fileError } from '../checkpoint/file-error.js';
import { RequestError } from '../errors.js';
import { formatBytes } from '../report/format.js';
import { freeBytes } from '../system/free-bytes.js';

/**
 * @param bytes of the hidden states of all windows
 * @param free as `freeBytes`
 * @throws RequestError naming the folder when it has less
 */
export function requireScratchSpace(folder: string, windows: number, bytes: number, free = freeBytes): void {
  let available: number | undefined;
  try {
    available = free(folder);
  } catch (error) {
    throw fileError(error, 'ask for the free space of', folder);
  }
  if (available === undefined || bytes <= available) return;
  throw new RequestError(
    `the hidden states of ${windows} windows take ${formatBytes(bytes)} in ${folder}, where ${formatBytes(available)} are ` +
      'free; set TMPDIR to a folder with more, or take fewer windows',
  );
}
