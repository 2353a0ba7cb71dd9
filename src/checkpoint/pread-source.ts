/**
 * A byte source over positioned reads.
 * @module
 */
import { closeSync, fstatSync, readSync } from 'node:fs';
import type { ByteSource } from './byte-source.js';
import { fileError } from './file-error.js';
import { checkRange, openRegularFile, truncatedError } from './open-regular-file.js';

/**
 * Opens a file for positioned reads.
 * @throws RequestError when there is no such regular file or it may not be read
 */
export function openPreadSource(path: string): ByteSource {
  const { descriptor, size } = openRegularFile(path);
  let closed = false;
  return {
    mode: 'pread',
    path,
    size,
    readInto(offset, target) {
      checkRange(path, size, offset, target.byteLength, closed);
      for (let done = 0; done < target.byteLength; ) {
        let read: number;
        try {
          read = readSync(descriptor, target, done, target.byteLength - done, offset + done);
        } catch (error) {
          throw fileError(error, 'read', path);
        }
        if (read === 0) throw truncatedError(path, size, fstatSync(descriptor).size);
        done += read;
      }
    },
    close() {
      if (closed) return;
      closed = true;
      closeSync(descriptor);
    },
  };
}
