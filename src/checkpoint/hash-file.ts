/**
 * The hash of what a file holds.
 * @module
 */
import type { Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';

const READ_BYTES = 1 << 20;

/**
 * Adds the first `bytes` of a file to a hash.
 * @throws Error when it has fewer; the system's error when it can't be read; the signal's reason when it was aborted
 */
export async function hashFile(
  handle: FileHandle,
  bytes: number,
  hash: Hash,
  signal: AbortSignal | undefined,
): Promise<void> {
  const buffer = Buffer.allocUnsafe(Math.min(bytes, READ_BYTES));
  for (let done = 0; done < bytes; ) {
    signal?.throwIfAborted();
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.byteLength, bytes - done), done);
    if (bytesRead === 0) throw new Error('it was cut short meanwhile');
    hash.update(buffer.subarray(0, bytesRead));
    done += bytesRead;
  }
}
