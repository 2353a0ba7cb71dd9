/**
 * The hidden states of a set of windows, in a file: one record a window, [tokens, hidden] f32 at its start. They are
 * read and written one window at a time, so they cost page cache that the system may evict, not memory.
 * @module
 */
import { closeSync, ftruncateSync, openSync } from 'node:fs';
import { RunError } from '../errors.js';
import { releaseFile } from '../system/release-file.js';

/** Where the states of windows lie, at the start of their records. */
export type StateRecords = Pick<HiddenStates, 'path' | 'windows' | 'tokens' | 'offset'>;

/** Records of a size that is known. */
export type WindowRecords = StateRecords & Pick<HiddenStates, 'recordBytes'>;

export class HiddenStates {
  readonly path: string;
  readonly windows: number;
  readonly tokens: number;
  readonly hiddenSize: number;
  /** Of a window's record. */
  readonly recordBytes: number;

  /**
   * Creates the file at `path`, replacing what is there.
   *
   * @param recordBytes of a window, where more than its hidden states is kept
   * @throws RunError when it can't be created
   */
  constructor(path: string, windows: number, tokens: number, hiddenSize: number, recordBytes = 0) {
    this.path = path;
    this.windows = windows;
    this.tokens = tokens;
    this.hiddenSize = hiddenSize;
    this.recordBytes = Math.max(recordBytes, tokens * hiddenSize * 4);
    try {
      const fd = openSync(path, 'w');
      ftruncateSync(fd, windows * this.recordBytes);
      closeSync(fd);
    } catch (error) {
      throw new RunError(
        `${path}: can't keep ${windows * this.recordBytes} bytes of hidden states: ${(error as Error).message}`,
      );
    }
  }

  /** Byte offset of a window's record. */
  offset(window: number): number {
    return window * this.recordBytes;
  }

  /** Consecutive windows alone. */
  range(first: number, windows: number): WindowRecords {
    const { path, tokens, recordBytes } = this;
    return { path, windows, tokens, recordBytes, offset: (window) => this.offset(first + window) };
  }

  /** Removes the file, whose room on the disk workers that have it open would keep otherwise. */
  dispose(): void {
    releaseFile(this.path);
  }
}
