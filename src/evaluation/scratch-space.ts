/**
 * Whether the hidden states of an evaluation fit where they lie.
 * @module
 */
import { freeBytes } from '../checkpoint/free-bytes.js';
import { RequestError } from '../errors.js';
import { formatBytes } from '../report/format.js';

/**
 * @param bytes of the hidden states of all windows
 * @param free as `freeBytes`
 * @throws RequestError naming the folder when it has less
 */
export function requireScratchSpace(folder: string, windows: number, bytes: number, free = freeBytes): void {
  const available = free(folder);
  if (available === undefined || bytes <= available) return;
  throw new RequestError(
    `the hidden states of ${windows} windows take ${formatBytes(bytes)} in ${folder}, where ${formatBytes(available)} are ` +
      'free; set TMPDIR to a folder with more, or take fewer windows',
  );
}
