/**
 * The real library, loaded only by commands that work: `--help` must not wait for a native module.
 * @module
 */
import type { Library } from './library.js';

/** Imports the package's own entry. */
export const loadLibrary = (): Promise<Library> => import('../index.js');
