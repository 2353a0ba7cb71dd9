/**
 * The version of this package.
 * @module
 */
import { readFileSync } from 'node:fs';
import { packageRoot } from './package-root.js';

/** From `package.json`. */
export const version: string = JSON.parse(readFileSync(new URL('package.json', packageRoot), 'utf8')).version;
