/**
 * Everything that the command line touches outside itself, so that tests can stand in for it.
 * @module
 */

import type { SignalSource } from './interruption.js';
import type { Library } from './library.js';

/** A stream for people or programs; a terminal knows its width. */
export type OutputStream = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };

export interface CliContext {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly version: string;
  readonly signals: SignalSource;
  readonly loadLibrary: () => Promise<Library>;
  /** Ends the process at once. */
  readonly exit: (code: number) => void;
}
