/**
 * Any part of a file on the hub.
 * @module
 */
import { RunError } from '../errors.js';
import type { Hub } from '../hub/hub.js';
import { type RemoteFile, streamFile } from '../hub/stream-file.js';
import type { RangeReader } from './text-file.js';

/** Asking takes as long as some megabytes do. */
const stepBytes = 2 ** 22;

/**
 * Reads what is asked for next from the connection that is open, if it goes on there, and makes a new one otherwise; what
 * nobody asks for stays on the server.
 */
export class HubRangeReader implements RangeReader {
  readonly step = stepBytes;
  #stream: AsyncGenerator<Uint8Array, void> | undefined;
  #position = 0;
  /** Came from the stream and was not asked for yet. */
  #rest: Uint8Array = new Uint8Array();

  constructor(
    private readonly hub: Hub,
    private readonly remote: RemoteFile,
    private readonly signal: AbortSignal | undefined,
  ) {}

  get size(): number {
    return this.remote.file.size;
  }

  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    if (offset !== this.#position) await this.close();
    this.#stream ??= streamFile(this.hub, this.remote, { from: offset, signal: this.signal });
    this.#position = offset;
    const bytes = new Uint8Array(length);
    while (this.#position < offset + length) {
      if (this.#rest.length === 0) {
        const next = await this.#stream.next();
        if (next.done)
          throw new RunError(`${this.remote.file.path}: byte ${this.#position} is beyond its end`);
        this.#rest = next.value;
      }
      const part = this.#rest.subarray(0, offset + length - this.#position);
      bytes.set(part, this.#position - offset);
      this.#rest = this.#rest.subarray(part.length);
      this.#position += part.length;
    }
    return bytes;
  }

  async close(): Promise<void> {
    const stream = this.#stream;
    this.#stream = undefined;
    this.#rest = new Uint8Array();
    await stream?.return();
  }
}
