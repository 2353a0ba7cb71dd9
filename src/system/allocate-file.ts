/**
 * Reserving disk blocks for a file before anything is written into it.
 * @module
 */
import { libc, type SystemError } from './libc.js';

/** What `fallocate` says where the file system can't reserve blocks. */
const NOT_SUPPORTED: ReadonlySet<string> = new Set(['EOPNOTSUPP', 'ENOTSUP', 'ENOSYS', 'EINVAL', 'EPERM']);

let fallocate: ((descriptor: number, mode: number, offset: number, bytes: number) => number) | undefined;

/**
 * Reserves disk blocks for a file up to `bytes`, where system and file system can; elsewhere it does nothing and the
 * file stays sparse.
 * @returns the error where they could but didn't, such as `ENOSPC`
 */
export function allocateFile(descriptor: number, bytes: number): SystemError | undefined {
  const system = libc();
  if ('unavailable' in system || process.platform !== 'linux') return undefined;
  fallocate ??= system.library.func('fallocate', 'int', ['int', 'int', 'int64_t', 'int64_t']);
  for (;;) {
    if (fallocate(descriptor, 0, 0, bytes) === 0) return undefined;
    const error = system.lastError();
    if (NOT_SUPPORTED.has(error.code)) return undefined;
    if (error.code !== 'EINTR') return error;
  }
}
