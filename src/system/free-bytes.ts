/**
 * Free space of file systems.
 * @module
 */
import { statfsSync } from 'node:fs';
import { existingFolder } from './existing-folder.js';

/**
 * Bytes that this user may still write to the file system of a folder, or of the folder that it would be made in;
 * undefined where the file system reports no sizes, as some network and user-space ones do.
 * @throws whatever `statfs` has against the folder
 */
export function freeBytes(folder: string): number | undefined {
  const { bavail, bsize, blocks } = statfsSync(existingFolder(folder));
  return blocks === 0 ? undefined : bavail * bsize;
}
