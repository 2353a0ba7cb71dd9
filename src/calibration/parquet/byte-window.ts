/**
 * Going through a part of a file from its beginning to its end.
 * @module
 */
import type { RangeReader } from '../text-file.js';

/** Holds what has been read and not yet passed, and no more than a step beyond what was asked for. */
export class ByteWindow {
  #bytes = new Uint8Array();
  /** Where the bytes in memory begin in the file. */
  #position: number;

  constructor(
    private readonly file: RangeReader,
    start: number,
    private readonly end: number,
  ) {
    this.#position = start;
  }

  /** Bytes from here to the end. */
  get left(): number {
    return this.end - this.#position;
  }

  /** The next `length` bytes or more, fewer only at the end. Valid until the next call. */
  async peek(length: number): Promise<Uint8Array<ArrayBuffer>> {
    const missing = Math.min(length, this.left) - this.#bytes.length;
    if (missing > 0) {
      const from = this.#position + this.#bytes.length;
      const more = await this.file.read(from, Math.min(Math.max(missing, this.file.step), this.end - from));
      const joined = new Uint8Array(this.#bytes.length + more.length);
      joined.set(this.#bytes);
      joined.set(more, this.#bytes.length);
      this.#bytes = joined;
    }
    return this.#bytes;
  }

  /** Goes on behind the next `length` bytes, which have been looked at. */
  pass(length: number): void {
    this.#position += length;
    this.#bytes = this.#bytes.subarray(length);
  }
}
