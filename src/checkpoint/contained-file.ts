/**
 * Keeps file names that a checkpoint gives inside the checkpoint's folder.
 * @module
 */
import { realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, relative, sep } from 'node:path';
import { RequestError } from '../errors.js';

/** Longest file name common file systems allow, in bytes. */
const MAX_NAME_BYTES = 255;

/**
 * Why `name` is not a plain file name, or `undefined` when it is one: no folders (`/`, `\`), no `.` or `..`, nothing
 * that decodes to those (`%2e`), no control characters, not too long.
 */
export function plainNameProblem(name: string): string | undefined {
  if (name === '') return 'it is empty';
  if (name === '.' || name === '..') return 'it names a folder';
  if (/[/\\]/.test(name)) return 'it has a path separator';
  if (name.includes('%')) return 'it has a percent sign, which may encode a path separator';
  if (/\p{Control}/u.test(name)) return 'it has a control character';
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) return `it is longer than ${MAX_NAME_BYTES} bytes`;
  return undefined;
}

/** How the store that the repositories of a hub cache share names what it holds. */
const SHARED_BLOB = /^([0-9a-f]{2})\/\1[0-9a-f]{62}$/;

/**
 * Where the file's content really is, or why it may not be used. A link may point within the folder, or, in the hub
 * cache's layout (`models--org--name/snapshots/<commit>/…` → `models--org--name/blobs/…`), into the `blobs` of the same
 * model; and from there, as newer versions of `huggingface_hub` do it, into the `blobs/ab/abcd…` of the whole cache.
 * @param folder absolute
 * @param name relative to the folder
 * @throws the system's own error when there is no such file
 */
export function containedFileProblem(folder: string, name: string): string | undefined {
  const target = realpathSync(join(folder, name));
  const root = realpathSync(folder);
  if (!isInside(root, target)) {
    const model = hubModel(root);
    if (model === undefined || !(isInside(join(model, 'blobs'), target) || isSharedBlob(model, target)))
      return `it is a link to ${target}, outside the folder`;
  }
  return statSync(target).isFile() ? undefined : 'it is not a regular file';
}

/**
 * Refuses a file of a checkpoint that isn't a regular file within its folder (see `containedFileProblem`).
 * @returns the absolute path, links not resolved
 * @throws RequestError when the file may not be used; the system's own error when there is none
 */
export function containedFile(folder: string, name: string): string {
  const problem = containedFileProblem(folder, name);
  const path = join(folder, name);
  if (problem !== undefined)
    throw new RequestError(`cannot use ${path}: ${problem}; put the file itself into the folder`);
  return path;
}

function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`);
}

/** The cache's folder of the model that a snapshot belongs to; `folder` is a real path. */
function hubModel(folder: string): string | undefined {
  for (let at = folder; dirname(at) !== at; at = dirname(at)) {
    const snapshots = dirname(at);
    const model = dirname(snapshots);
    if (basename(snapshots) === 'snapshots' && basename(model).startsWith('models--')) return model;
  }
  return undefined;
}

/** Whether `target` is content in the store beside the models of the cache; files of other models never are. */
function isSharedBlob(model: string, target: string): boolean {
  return SHARED_BLOB.test(relative(join(dirname(model), 'blobs'), target));
}
