/**
 * The hidden states of a set of windows, in a file: [windows, tokens, hidden] f32. They are read and written
 * one window at a time, so they cost page cache that the system may evict, not memory.
 * @module
 */
import { closeSync, ftruncateSync, openSync, rmSync } from 'node:fs';
import { RunError } from '../errors.js';

export class HiddenStates {
  readonly path: string;
  readonly windows: number;
  readonly tokens: number;
  readonly hiddenSize: number;

  /** Creates the file at `path`, replacing what is there. @throws RunError when it can't be created */
  constructor(path: string, windows: number, tokens: number, hiddenSize: number) {
    this.path = path;
    this.windows = windows;
    this.tokens = tokens;
    this.hiddenSize = hiddenSize;
    try {
      const fd = openSync(path, 'w');
      ftruncateSync(fd, windows * this.windowBytes);
      closeSync(fd);
    } catch (error) {
      throw new RunError(
        `${path}: can't keep ${windows * this.windowBytes} bytes of hidden states: ${(error as Error).message}`,
      );
    }
  }

  get windowBytes(): number {
    return this.tokens * this.hiddenSize * 4;
  }

  /** Byte offset of a window. */
  offset(window: number): number {
    return window * this.windowBytes;
  }

  /** Removes the file. */
  dispose(): void {
    rmSync(this.path, { force: true });
  }
}
