/**
 * The bytes of one file on the hub, however often the connection breaks.
 * @module
 */
import { RunError } from '../errors.js';
import type { Hub } from './hub.js';
import type { RepositoryFile } from './list-files.js';
import { refusal } from './refusal.js';
import type { Repository } from './repository.js';
import { Retries, TransientError } from './retries.js';
import { type Answer, send } from './send.js';

/** A file of a repository at a commit. */
export interface RemoteFile {
  readonly repository: Repository;
  readonly commit: string;
  readonly file: RepositoryFile;
}

/** What was received has another content than the listing says, and is worth nothing. */
export class ContentError extends RunError {}

function fileAddress(hub: Hub, { repository, commit, file }: RemoteFile): string {
  const { type, id } = repository;
  const path = file.path.split('/').map(encodeURIComponent).join('/');
  return `${hub.endpoint}/${type === 'dataset' ? 'datasets/' : ''}${id}/resolve/${commit}/${path}`;
}

/**
 * A file's bytes from `from` on, to its end. A broken connection is made again where it broke; a server that knows no ranges
 * sends what is known already once more, which is passed over. Sizes are checked, hashes are not.
 *
 * @throws RequestError when the file may not be read; GivenUpError when the server fails too often; RunError when it says that it
 *   has another size or hash than the listing says; ContentError when it sends more than that; the signal's reason when it is
 *   aborted
 */
export async function* streamFile(
  hub: Hub,
  remote: RemoteFile,
  options: { readonly from?: number; readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<Uint8Array, void> {
  const { from = 0, signal } = options;
  const { size, path } = remote.file;
  const name = `${remote.repository.id}/${path}`;
  const address = fileAddress(hub, remote);
  const retries = new Retries(hub, name, signal);
  let position = from;
  retries.reached(position);
  while (position < size) {
    try {
      const answer = await send(hub, address, { from: position, signal });
      try {
        let known = position - firstByte(hub, remote, answer, position);
        for await (const piece of answer.body()) {
          const news = piece.subarray(Math.min(known, piece.byteLength));
          known -= piece.byteLength - news.byteLength;
          if (news.byteLength === 0) continue;
          position += news.byteLength;
          if (position > size)
            throw new ContentError(`${name}: the server sends more than the ${size} bytes it should have`);
          retries.reached(position);
          yield news;
        }
        if (position < size) throw new TransientError('the server sent less than it announced');
      } finally {
        answer.close();
      }
    } catch (error) {
      await retries.after(error);
    }
  }
}

/** Where the answer's body begins in the file; 0 where the server knows no ranges. */
function firstByte(hub: Hub, remote: RemoteFile, answer: Answer, from: number): number {
  const { repository, commit, file } = remote;
  const { status, headers, hubHeaders } = answer;
  const name = `${repository.id}/${file.path}`;
  if (status !== 200 && status !== 206) {
    if (status === 416) throw otherSize(name, file.size, undefined);
    throw refusal(hub, { ...repository, revision: commit }, answer, file.path);
  }
  requireSame(name, 'commit', hubHeaders.get('x-repo-commit'), commit);
  const size = hubHeaders.get('x-linked-size');
  if (size !== null) requireSame(name, 'size', size, String(file.size));
  const etag = normalizedEtag(hubHeaders.get('x-linked-etag') ?? hubHeaders.get('etag'));
  // Mirrors may have tags of their own.
  if (etag?.length === file.hash.digest.length) requireSame(name, 'hash', etag, file.hash.digest);
  if (status === 206) {
    const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headers.get('content-range') ?? '');
    if (range === null || Number(range[1]) !== from)
      throw new RunError(`${name}: the server sends another range than asked for`);
    if (range[3] !== '*' && Number(range[3]) !== file.size) throw otherSize(name, file.size, range[3]);
    return from;
  }
  const length = headers.get('content-length');
  const encoding = headers.get('content-encoding') ?? 'identity';
  if (length !== null && encoding === 'identity' && Number(length) !== file.size)
    throw otherSize(name, file.size, length);
  return 0;
}

function requireSame(name: string, what: string, found: string | null, expected: string): void {
  if (found === null || found === expected) return;
  throw new RunError(
    `${name}: the server has another ${what} than the hub's listing says; run the same command again`,
  );
}

function otherSize(name: string, size: number, found: string | undefined): RunError {
  const other = found === undefined ? 'fewer' : found;
  return new RunError(
    `${name}: the server has ${other} bytes where the hub's listing says ${size}; run the same command again`,
  );
}

/** The tag without quotes and the mark of weak ones, which is how the cache names blobs. */
function normalizedEtag(etag: string | null): string | undefined {
  return etag?.replace(/^W\//, '').replace(/^"|"$/g, '');
}
