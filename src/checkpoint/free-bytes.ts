/**
 * Free space of file systems.
 * @module
 */
import { statfsSync } from 'node:fs';
import { existingFolder } from '../system/existing-folder.js';
import { fileError } from './file-error.js';

/**
 * Bytes that this user may still write to the file system of a folder, or of the folder that it would be made in;
 * undefined where the file system reports no sizes, as some network and user-space ones do.
 * @throws RequestError or RunError when the folder can't be asked
 */
export function freeBytes(folder: string): number | undefined {
  try {
    const { bavail, bsize, blocks } = statfsSync(existingFolder(folder));
    return blocks === 0 ? undefined : bavail * bsize;
  } catch (error) {
    throw fileError(error, 'ask for the free space of', folder);
  }
}
