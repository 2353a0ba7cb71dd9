/**
 * Opening a file that is about to be read by ranges.
 * @module
 */
import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
import { RequestError, RunError } from '../errors.js';
import { fileError } from './file-error.js';

/** An open descriptor of a regular file and the file's size in bytes. */
export interface OpenFile {
  readonly descriptor: number;
  readonly size: number;
}

/**
 * Opens a regular file read-only; links are followed.
 * @throws RequestError when there is none at `path` or it may not be read
 */
export function openRegularFile(path: string): OpenFile {
  try {
    // Asked before opening: opening a named pipe would wait for a writer.
    if (!statSync(path).isFile()) throw new RequestError(`cannot read ${path}: it is not a regular file`);
    const descriptor = openSync(path, 'r');
    try {
      return { descriptor, size: fstatSync(descriptor).size };
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
  } catch (error) {
    throw fileError(error, 'read', path);
  }
}

/** The error of a file that lost bytes after it was opened. */
export function truncatedError(path: string, size: number, now: number): RunError {
  return new RunError(
    `${path} changed while it was being read: it had ${size} bytes and now has ${now}; restore the file and run again`,
  );
}

/** Refuses a range that was never inside the file, or a closed source: a mistake of the caller. */
export function checkRange(path: string, size: number, offset: number, bytes: number, closed: boolean): void {
  if (closed) throw new RangeError(`${path} is closed`);
  if (!Number.isSafeInteger(offset) || offset < 0 || offset + bytes > size)
    throw new RangeError(`bytes ${offset} to ${offset + bytes} are not inside ${path} (${size} bytes)`);
}
