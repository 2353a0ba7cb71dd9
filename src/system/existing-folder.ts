/**
 * Where a folder would be made.
 * @module
 */
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/** The folder itself, or the nearest above it that is there; absolute. */
export function existingFolder(folder: string): string {
  let at = resolve(folder);
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at);
  return at;
}
