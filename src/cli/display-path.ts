/**
 * Paths as people would type them.
 * @module
 */
import { isAbsolute, relative, resolve, sep } from 'node:path';

/** `path` relative to `cwd` when it lies below it, absolute otherwise. */
export function displayPath(path: string, cwd: string): string {
  const absolute = resolve(cwd, path);
  const below = relative(cwd, absolute);
  if (below === '') return '.';
  return below === '..' || below.startsWith(`..${sep}`) || isAbsolute(below) ? absolute : below;
}
