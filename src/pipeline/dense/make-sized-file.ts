/**
 * Making a file that workers write into.
 * @module
 */
import { closeSync, ftruncateSync, openSync } from 'node:fs';
import { fileError } from '../../checkpoint/file-error.js';

/** Replaces what is there by zeros. @throws RequestError or RunError naming the file when it can't be made */
export function makeSizedFile(path: string, bytes: number): void {
  try {
    const descriptor = openSync(path, 'w');
    try {
      ftruncateSync(descriptor, bytes);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw fileError(error, 'write', path);
  }
}
