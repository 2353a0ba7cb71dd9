/**
 * Bringing files of a repository into the cache.
 * @module
 */
import { join } from 'node:path';
import pLimit from 'p-limit';
import { makeFolder } from '../checkpoint/make-folder.js';
import { requireSpace } from '../checkpoint/shard-file.js';
import { RunError } from '../errors.js';
import { hasFile, linkBlob, repositoryFolder, snapshotFolder } from './cache.js';
import { bytesThere, downloadBlob } from './download-blob.js';
import type { Hub } from './hub.js';
import type { RepositoryFile } from './list-files.js';
import type { Repository } from './repository.js';
import { GivenUpError } from './retries.js';
import type { RemoteFile } from './stream-file.js';

/** Files on their way at the same time. */
const CONCURRENT = 4;

/** How far a download is. */
export interface DownloadProgress {
  /** `org/name` */
  readonly repository: string;
  /** Files that were missing, and how many of them are there now. */
  readonly files: number;
  readonly filesDone: number;
  /** Bytes of those files, and how many of them are there; an earlier download may have left some. */
  readonly bytes: number;
  readonly bytesDone: number;
  /** Bytes that came over the network, and in how many seconds. */
  readonly received: number;
  readonly seconds: number;
}

export interface DownloadOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called when a download begins, whenever bytes came, and when it ends; not at all when everything is there. */
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Told once for a file that another process downloads, in words. */
  readonly onWait?: ((message: string) => void) | undefined;
}

/** What was not there before. */
export interface Downloaded {
  readonly files: number;
  /** That came over the network. */
  readonly bytes: number;
}

/**
 * Downloads those of `files` that a commit's snapshot lacks, several at once. They appear in the snapshot in the order given,
 * so that whoever finds the last one finds all.
 *
 * @param commit as `resolveCommit` gives it
 * @throws RequestError when the disk has too little space, before anything is downloaded; otherwise the first failure, as
 *   `downloadBlob` throws it, once the other downloads have stopped; what they have is kept for the next call
 */
export async function downloadFiles(
  hub: Hub,
  repository: Repository,
  commit: string,
  files: readonly RepositoryFile[],
  { signal, onProgress, onWait }: DownloadOptions = {},
): Promise<Downloaded> {
  const snapshot = snapshotFolder(hub, repository, commit);
  const missing: RemoteFile[] = files
    .filter(({ path, size }) => !hasFile(join(snapshot, ...path.split('/')), size))
    .map((file) => ({ repository, commit, file }));
  if (missing.length === 0) return { files: 0, bytes: 0 };
  // Equal files are one blob.
  const blobs = new Map(missing.map((remote) => [remote.file.hash.digest, remote]));
  const bytes = sum([...blobs.values()].map(({ file }) => file.size));
  let bytesDone = sum([...blobs.values()].map((remote) => bytesThere(hub, remote)));
  makeFolder(repositoryFolder(hub, repository));
  requireSpace(repositoryFolder(hub, repository), bytes - bytesDone);

  const started = performance.now();
  let received = 0;
  let filesDone = 0;
  const report = () =>
    onProgress?.({
      repository: repository.id,
      files: missing.length,
      filesDone,
      bytes,
      bytesDone,
      received,
      seconds: (performance.now() - started) / 1000,
    });
  report();
  const stop = new AbortController();
  const stopped = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const limit = pLimit(CONCURRENT);
  const onBytes = (more: number) => {
    received += more;
    bytesDone += more;
    report();
  };
  const downloads = new Map(
    [...blobs].map(([digest, remote]) => [
      digest,
      limit(() => downloadBlob(hub, remote, { signal: stopped, onBytes, onWait })).catch((error: unknown) => {
        // The first failure ends the others, which then fail with it.
        stop.abort(error);
        throw error;
      }),
    ]),
  );
  const settled = Promise.allSettled(downloads.values());
  try {
    for (const remote of missing) {
      await downloads.get(remote.file.hash.digest);
      await linkBlob(hub, remote);
      filesDone++;
    }
  } catch (error) {
    stop.abort(error);
    await settled;
    const isSomethingThere = () =>
      missing.length < files.length || [...blobs.values()].some((remote) => bytesThere(hub, remote) > 0);
    if (!(error instanceof GivenUpError) || !isSomethingThere()) throw error;
    throw new RunError(`${error.message}; the same command goes on from what is there`, { cause: error });
  }
  bytesDone = bytes;
  report();
  return { files: missing.length, bytes: received };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
