/**
 * Reading a whole file of bounded size.
 * @module
 */
import { closeSync, readSync } from 'node:fs';
import { RequestError } from '../errors.js';
import { fileError } from './file-error.js';
import { openRegularFile } from './open-regular-file.js';

/**
 * The bytes of a regular file. Its size is looked at before anything is allocated or read; pipes, devices and folders
 * are refused.
 * @param limit most bytes that the file may have
 * @throws RequestError naming the file and the limit; RunError on I/O errors
 */
export function readSmallFile(path: string, limit: number): Buffer {
  const { descriptor, size } = openRegularFile(path);
  try {
    if (size > limit) throw new RequestError(`${path} has ${size} bytes; ${limit} at most are read`);
    const bytes = Buffer.allocUnsafeSlow(size);
    let done = 0;
    while (done < size) {
      const read = readSync(descriptor, bytes, done, size - done, done);
      if (read === 0) break;
      done += read;
    }
    return bytes.subarray(0, done);
  } catch (error) {
    throw fileError(error, 'read', path);
  } finally {
    closeSync(descriptor);
  }
}
