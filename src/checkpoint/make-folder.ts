/**
 * Making a folder and those above it.
 * @module
 */
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileError } from './file-error.js';

/**
 * Makes a folder and the folders above it that are missing. Level by level, since Node's own recursive mode calls a
 * read-only file system a missing folder.
 * @param folder absolute
 * @returns the topmost folder that was made, or `undefined` when all were there
 * @throws RequestError naming the folder that can't be made
 */
export function makeFolder(folder: string): string | undefined {
  const missing: string[] = [];
  for (let at = folder; !exists(at); at = dirname(at)) missing.push(at);
  for (const path of missing.toReversed()) {
    try {
      mkdirSync(path);
    } catch (error) {
      // Somebody else may have made it just now.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !exists(path))
        throw fileError(error, 'create the folder', path);
    }
  }
  return missing.at(-1);
}

function exists(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    // Below a file: leave the message to mkdir.
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return false;
    throw fileError(error, 'create the folder', path);
  }
}
