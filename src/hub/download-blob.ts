/**
 * Bringing one file's content into the cache.
 * @module
 */
import { createHash, type Hash, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { publishFile } from '../checkpoint/atomic-file.js';
import { fileError } from '../checkpoint/file-error.js';
import { makeFolder } from '../checkpoint/make-folder.js';
import { type HeldLock, lockFile } from '../system/file-lock.js';
import { blobPath, hasFile, lockPath } from './cache.js';
import type { Hub } from './hub.js';
import type { RepositoryFile } from './list-files.js';
import { ContentError, type RemoteFile, streamFile } from './stream-file.js';

/** How often it is looked whether another process has finished a download. */
const LOCK_INTERVAL_MS = 200;
const READ_BYTES = 1 << 20;

export interface DownloadBlobOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told how many bytes more are there. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/** Name of what there is of a blob that is not complete. */
export function partialPath(hub: Hub, remote: RemoteFile): string {
  return `${blobPath(hub, remote)}.incomplete`;
}

/**
 * Downloads a file's content, going on where an earlier download ended, and gives it its name once it is complete, of the
 * right hash, and on the disk. Does nothing when it is there; waits when another process downloads it.
 *
 * @throws as `streamFile`; ContentError for another hash than expected, after which the next call begins anew; RequestError or
 *   RunError when the cache can't be written
 */
export async function downloadBlob(
  hub: Hub,
  remote: RemoteFile,
  options: DownloadBlobOptions = {},
): Promise<void> {
  const { file } = remote;
  const path = blobPath(hub, remote);
  makeFolder(dirname(path));
  if (hasFile(path, file.size)) return;
  const lock = await waitForLock(lockPath(hub, remote), options.signal);
  // Where there are no locks another process may write the same blob: each has a partial file of its own then.
  const partial = lock === undefined ? `${path}.${randomUUID()}.incomplete` : partialPath(hub, remote);
  try {
    if (hasFile(path, file.size)) return;
    await receive(hub, remote, partial, options);
    await publishFile(partial, path);
  } catch (error) {
    if (lock === undefined || error instanceof ContentError)
      await rm(partial, { force: true }).catch(() => {});
    throw error;
  } finally {
    lock?.release();
  }
}

/** @returns undefined where the file system has no locks */
async function waitForLock(path: string, signal: AbortSignal | undefined): Promise<HeldLock | undefined> {
  makeFolder(dirname(path));
  for (;;) {
    signal?.throwIfAborted();
    let lock: ReturnType<typeof lockFile>;
    try {
      lock = lockFile(path, { keep: true });
    } catch (error) {
      throw fileError(error, 'write', path);
    }
    if (lock.kind === 'held') return lock;
    if (lock.kind === 'unsupported') return undefined;
    await sleep(LOCK_INTERVAL_MS);
  }
}

/** Completes the partial file, and checks and syncs it. */
async function receive(
  hub: Hub,
  remote: RemoteFile,
  partial: string,
  { signal, onBytes }: DownloadBlobOptions,
): Promise<void> {
  const { file, repository } = remote;
  let handle: FileHandle;
  try {
    handle = await open(partial, constants.O_RDWR | constants.O_CREAT);
  } catch (error) {
    throw fileError(error, 'write', partial);
  }
  try {
    let position = (await handle.stat()).size;
    if (position > file.size) {
      await handle.truncate(0);
      position = 0;
    }
    const hash = beginHash(file);
    await hashFile(handle, position, hash, signal);
    for await (const piece of streamFile(hub, remote, { from: position, signal })) {
      await writeAt(handle, piece, position, partial);
      hash.update(piece);
      position += piece.byteLength;
      onBytes?.(piece.byteLength);
    }
    if (hash.digest('hex') !== file.hash.digest)
      throw new ContentError(
        `${repository.id}/${file.path}: what was downloaded has another hash than the hub's listing says; it was removed, and the same command downloads it again`,
      );
    await handle.sync();
  } catch (error) {
    signal?.throwIfAborted();
    throw fileError(error, 'write', partial);
  } finally {
    await handle.close();
  }
}

function beginHash({ hash, size }: RepositoryFile): Hash {
  return hash.algorithm === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);
}

/** Adds the first `bytes` of a file to a hash. */
async function hashFile(
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

async function writeAt(handle: FileHandle, piece: Uint8Array, position: number, path: string): Promise<void> {
  for (let done = 0; done < piece.byteLength; ) {
    try {
      const { bytesWritten } = await handle.write(piece, done, piece.byteLength - done, position + done);
      done += bytesWritten;
    } catch (error) {
      throw fileError(error, 'write', path);
    }
  }
}
