/**
 * Bringing one file's content into the cache.
 * @module
 */
import { createHash, type Hash, randomUUID } from 'node:crypto';
import { constants, statSync } from 'node:fs';
import { type FileHandle, open, readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { publishFile } from '../checkpoint/atomic-file.js';
import { fileError } from '../checkpoint/file-error.js';
import { hashFile } from '../checkpoint/hash-file.js';
import { makeFolder } from '../checkpoint/make-folder.js';
import { RequestError, RunError, SecateurError } from '../errors.js';
import { type HeldLock, type LockedElsewhere, lockFile, type NoLocks } from '../system/file-lock.js';
import { waitForLock } from '../system/wait-for-lock.js';
import { blobPath, hasFile, lockPath } from './cache.js';
import type { Hub } from './hub.js';
import type { RepositoryFile } from './list-files.js';
import { ContentError, type RemoteFile, streamFile } from './stream-file.js';

/** Partial files of calls that had no locks, and didn't end by themselves, are removed when nobody has written to them for so long. */
const ABANDONED_MS = 24 * 3600 * 1000;
const OWN_PARTIAL = /^\.[0-9a-f-]{36}\.incomplete$/;

export interface DownloadBlobOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told how many bytes more are there. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  /** Told once, in words, when another process has the file's lock and is waited for. */
  readonly onWait?: ((message: string) => void) | undefined;
}

/** Bytes of a blob that a download of it would not ask for: all of it, or what it goes on from. */
export function bytesThere(hub: Hub, remote: RemoteFile): number {
  const { size } = remote.file;
  if (hasFile(blobPath(hub, remote), size)) return size;
  const partial = statSync(partialPath(hub, remote), { throwIfNoEntry: false })?.size ?? 0;
  if (partial === 0 || partial > size) return 0;
  const lock = tryLock(lockPath(hub, remote));
  if (lock.kind === 'held') lock.release();
  return lock.kind === 'unsupported' ? 0 : partial;
}

/** Name of what there is of a blob that is not complete. */
function partialPath(hub: Hub, remote: RemoteFile): string {
  return `${blobPath(hub, remote)}.incomplete`;
}

/**
 * Downloads a file's content, going on where an earlier download ended, and gives it its name once it is complete, of the
 * right hash, and on the disk. Does nothing when it is there; waits when another process downloads it.
 *
 * @throws as `streamFile`; ContentError for another hash than expected, after which the next call begins anew; when the cache
 *   can't be written, as `fileError` before anything was written, and RunError afterwards
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
  const lock = await waitForLock(() => tryLock(lockPath(hub, remote)), {
    signal: options.signal,
    onWait: (who) =>
      options.onWait?.(`${remote.repository.id}/${file.path}: ${who} downloads it, and is waited for`),
  });
  if (lock === undefined) await removeAbandoned(path);
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

function tryLock(path: string): HeldLock | LockedElsewhere | NoLocks {
  makeFolder(dirname(path));
  try {
    return lockFile(path, { keep: true });
  } catch (error) {
    throw fileError(error, 'write', path);
  }
}

/** Removes what calls left that had no locks, of the blob at `path`. */
async function removeAbandoned(path: string): Promise<void> {
  const [folder, name] = [dirname(path), basename(path)];
  for (const entry of await readdir(folder)) {
    if (!entry.startsWith(name) || !OWN_PARTIAL.test(entry.slice(name.length))) continue;
    const partial = join(folder, entry);
    const status = await stat(partial).catch(() => undefined);
    if (status && Date.now() - status.mtimeMs > ABANDONED_MS) await rm(partial, { force: true });
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
  let written = false;
  try {
    let position = (await handle.stat()).size;
    if (position > file.size) {
      await handle.truncate(0);
      position = 0;
    }
    const hash = beginHash(file);
    await hashFile(handle, position, hash, signal);
    for await (const piece of streamFile(hub, remote, { from: position, signal })) {
      await writeAt(handle, piece, position);
      written = true;
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
    const failure = fileError(error, 'write', partial);
    if (!written || !(failure instanceof RequestError) || error instanceof SecateurError) throw failure;
    throw new RunError(`${failure.message}; put it right, and run the same command again`, { cause: error });
  } finally {
    await handle.close();
  }
}

function beginHash({ hash, size }: RepositoryFile): Hash {
  return hash.algorithm === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);
}

async function writeAt(handle: FileHandle, piece: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < piece.byteLength; ) {
    const { bytesWritten } = await handle.write(piece, done, piece.byteLength - done, position + done);
    done += bytesWritten;
  }
}
