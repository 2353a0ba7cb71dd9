/**
 * Opening a file for reading that has to be a regular one.
 * @module
 */
import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
import { RequestError } from '../errors.js';
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
