/**
 * Free space of file systems.
 * @module
 */
import { existsSync, statfsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/**
 * Bytes that this user may still write to the file system of a folder, or of the folder that it would be made in;
 * undefined where the file system reports no sizes, as some network and user-space ones do.
 * @throws whatever `statfs` has against the folder
 */
export function freeBytes(folder: string): number | undefined {
  let at = resolve(folder);
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at);
  const { bavail, bsize, blocks } = statfsSync(at);
  return blocks === 0 ? undefined : bavail * bsize;
}
