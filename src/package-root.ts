/**
 * Where this package lies.
 * @module
 */
import { existsSync } from 'node:fs';

/** The folder of `package.json`, whether this is run from `src/`, from `dist/` or from a bundle of it. */
export const packageRoot: URL = rootAbove(new URL('.', import.meta.url));

function rootAbove(folder: URL): URL {
  if (existsSync(new URL('package.json', folder))) return folder;
  const above = new URL('..', folder);
  if (above.href === folder.href)
    throw new Error('the package was taken out of its folder: no package.json above it');
  return rootAbove(above);
}
