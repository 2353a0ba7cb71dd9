/**
 * A file that text is read from, wherever it lies.
 * @module
 */

export interface TextFile {
  /** How messages call it; its ending says what is in it. */
  readonly name: string;
  /**
   * The file's bytes from the first, as far as they are asked for. What is open for it is closed when the loop over them
   * ends, however it ends.
   * @throws RequestError when there is no such file or it can't be read; RunError when the hub fails; the reason of a signal
   */
  chunks(): AsyncIterable<Uint8Array>;
  /**
   * Opens it for reading any part of it.
   * @throws as `chunks`
   */
  openRanges(): Promise<RangeReader>;
}

/** A file whose bytes are read in any order, one reading at a time. */
export interface RangeReader {
  /** Bytes in the file. */
  readonly size: number;
  /** How many bytes are worth reading at once: more where each reading takes its time. */
  readonly step: number;
  /**
   * Bytes from `offset` on, as many as asked for, in memory of their own.
   * @throws RequestError when the file has changed or can't be read; otherwise as {@link TextFile.chunks}
   */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
  close(): Promise<void>;
}
