/**
 * Reading a file by ranges, with positioned reads.
 * @module
 */
import { closeSync, fstatSync, readSync } from 'node:fs';
import { RunError } from '../errors.js';
import { fileError } from './file-error.js';
import { openRegularFile } from './open-regular-file.js';

/**
 * A read-only file. Belongs to the thread that opened it; other threads open their own. Reads are synchronous.
 */
export interface ByteSource {
  /** The path it was opened with. */
  readonly path: string;
  /** Bytes in the file when it was opened. */
  readonly size: number;
  /**
   * Fills `target` with the bytes from `offset` on. `target` may lie over any memory, WebAssembly's included; one that
   * begins with a cache line (64 bytes) is filled several times as fast.
   * @throws RunError naming the file when it doesn't reach that far, or no longer, or can't be read
   * @throws RangeError when the source is closed, or `offset` is no place in a file
   */
  readInto(offset: number, target: Uint8Array): void;
  /** Gives the file back; calling it again does nothing. */
  close(): void;
}

/**
 * Opens a regular file for reading by ranges; links are followed.
 * @throws RequestError when there is no such regular file or it may not be read
 */
export function openByteSource(path: string): ByteSource {
  const { descriptor, size } = openRegularFile(path);
  let closed = false;
  return {
    path,
    size,
    readInto(offset, target) {
      const bytes = target.byteLength;
      if (closed) throw new RangeError(`${path} is closed`);
      if (!Number.isSafeInteger(offset) || offset < 0)
        throw new RangeError(`${offset} is no place in ${path}`);
      // Ranges come from a header that the file's size was held against.
      if (offset + bytes > size)
        throw new RunError(
          `${path} changed since its header was read: byte ${offset + bytes - 1} is needed and it has ${size}; restore the file and run again`,
        );
      for (let done = 0; done < bytes; ) {
        let read: number;
        try {
          read = readSync(descriptor, target, done, bytes - done, offset + done);
        } catch (error) {
          throw fileError(error, 'read', path);
        }
        if (read === 0) throw cutShort(path, size, fstatSync(descriptor).size);
        done += read;
      }
    },
    close() {
      if (closed) return;
      closed = true;
      closeSync(descriptor);
    },
  };
}

/** The error of a file that lost bytes after it was opened. */
function cutShort(path: string, size: number, now: number): RunError {
  return new RunError(
    `${path} changed while it was being read: it had ${size} bytes and now has ${now}; restore the file and run again`,
  );
}
