/**
 * The cache that `huggingface_hub` keeps and other programs share: where things are in it.
 *
 * `models--org--name/refs/<revision>` holds a commit; `snapshots/<commit>/<path>` are links to `blobs/<hash>`.
 * @see https://huggingface.co/docs/huggingface_hub/guides/manage-cache
 * @module
 */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, type Stats, statSync, writeFileSync } from 'node:fs';
import { open, readlink, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { publishFile, syncFolder } from '../checkpoint/atomic-file.js';
import { fileError } from '../checkpoint/file-error.js';
import { makeFolder } from '../checkpoint/make-folder.js';
import { readSmallFile } from '../checkpoint/read-small-file.js';
import type { Hub } from './hub.js';
import { isCommit, type Repository } from './repository.js';
import type { RemoteFile } from './stream-file.js';

/** A commit and perhaps a line end. */
const MAX_REF_BYTES = 100;

/** Folder of all that the cache has of a repository. */
export function repositoryFolder(hub: Hub, repository: Repository): string {
  return join(hub.cache, folderName(repository));
}

/** Folder of a repository's files at a commit; it may be missing, or hold a part of them. */
export function snapshotFolder(hub: Hub, repository: Repository, commit: string): string {
  return join(repositoryFolder(hub, repository), 'snapshots', commit);
}

/** Where a file's content belongs. */
export function blobPath(hub: Hub, { repository, file }: RemoteFile): string {
  return join(repositoryFolder(hub, repository), 'blobs', file.hash.digest);
}

/** The file that whoever downloads a blob keeps locked, as `huggingface_hub` does. */
export function lockPath(hub: Hub, { repository, file }: RemoteFile): string {
  return join(hub.cache, '.locks', folderName(repository), `${file.hash.digest}.lock`);
}

function folderName({ type, id }: Repository): string {
  return `${type}s--${id.replace('/', '--')}`;
}

/** The commit that a revision was when it was last downloaded; undefined when it never was. */
export function cachedCommit(hub: Hub, repository: Repository): string | undefined {
  const { revision } = repository;
  if (isCommit(revision)) return revision;
  const path = join(repositoryFolder(hub, repository), 'refs', ...revision.split('/'));
  if (!existsSync(path)) return undefined;
  const commit = readSmallFile(path, MAX_REF_BYTES).toString('latin1').trim();
  return isCommit(commit) ? commit : undefined;
}

/** Notes which commit a revision is. */
export async function writeRef(hub: Hub, repository: Repository, commit: string): Promise<void> {
  if (cachedCommit(hub, repository) === commit) return;
  const path = join(repositoryFolder(hub, repository), 'refs', ...repository.revision.split('/'));
  makeFolder(dirname(path));
  const temporary = temporaryPath(hub, repository);
  try {
    const handle = await open(temporary, 'wx');
    try {
      await handle.writeFile(commit);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await publishFile(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw fileError(error, 'write', path);
  }
}

/** What says that a commit has no file of a name; `huggingface_hub` puts it there, and looks for it, as well. */
function absencePath(hub: Hub, repository: Repository, commit: string, path: string): string {
  return join(repositoryFolder(hub, repository), '.no_exist', commit, ...path.split('/'));
}

/** Whether a commit is known to have no file of this name. */
export function isAbsent(hub: Hub, repository: Repository, commit: string, path: string): boolean {
  return existsSync(absencePath(hub, repository, commit, path));
}

/** Notes that a commit has no file of this name. Where the cache can't be written, the hub is asked again. */
export function writeAbsence(hub: Hub, repository: Repository, commit: string, path: string): void {
  const absence = absencePath(hub, repository, commit, path);
  if (existsSync(absence)) return;
  try {
    mkdirSync(dirname(absence), { recursive: true });
    writeFileSync(absence, '');
  } catch {}
}

/** Whether there is a whole file of `size` bytes at the end of any links. */
export function hasFile(path: string, size: number): boolean {
  const status = fileStatus(path);
  return status?.isFile() === true && status.size === size;
}

/** Puts a blob that is there into a snapshot, as a relative link; what has the name already is replaced. */
export async function linkBlob(hub: Hub, remote: RemoteFile): Promise<void> {
  const { repository, commit, file } = remote;
  const path = join(snapshotFolder(hub, repository, commit), ...file.path.split('/'));
  const target = relative(dirname(path), blobPath(hub, remote));
  makeFolder(dirname(path));
  if ((await readlink(path).catch(() => undefined)) === target) return;
  const temporary = temporaryPath(hub, repository);
  try {
    await symlink(target, temporary);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw fileError(error, 'link', path);
  }
  await syncFolder(dirname(path));
}

function fileStatus(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw fileError(error, 'read', path);
  }
}

/** A name that no other process takes. Not among the files of a snapshot, where it would be taken for one of them. */
function temporaryPath(hub: Hub, repository: Repository): string {
  return join(repositoryFolder(hub, repository), `.${randomUUID()}.tmp`);
}
