/**
 * Turns the system's file errors into the project's.
 * @module
 */
import { RequestError, RunError, SecateurError } from '../errors.js';

/** What can be put right by whoever made the request, and how. */
const REMEDIES: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or folder',
  ENOTDIR: 'a part of the path is not a folder',
  EISDIR: 'it is a folder',
  EEXIST: 'something of that name exists already',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space left on the device',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file is larger than the file system allows',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'too many symbolic links',
};

/**
 * An error that says what was being done to which file: a RequestError when the path, its permissions or the
 * space on the disk are the cause, a RunError for everything else (I/O errors). Deliberate errors pass through.
 * @param doing what was attempted, as in `cannot ${doing} ${path}: …`
 */
export function fileError(error: unknown, doing: string, path: string): SecateurError {
  if (error instanceof SecateurError) return error;
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  const remedy = code === undefined ? undefined : REMEDIES[code];
  if (remedy !== undefined)
    return new RequestError(`cannot ${doing} ${path}: ${remedy} (${code})`, { cause: error });
  const reason = error instanceof Error ? error.message : String(error);
  return new RunError(`cannot ${doing} ${path}: ${reason}`, { cause: error });
}
