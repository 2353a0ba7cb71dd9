/**
 * Reading a file by ranges, with the same small interface over a memory map and over pread.
 * @module
 */
import { RequestError } from '../errors.js';
import { mappingUnavailable, openMappedSource } from './mapped-source.js';
import { openPreadSource } from './pread-source.js';

/**
 * A read-only file. Belongs to the thread that opened it; other threads open their own. Reads are synchronous.
 */
export interface ByteSource {
  /** Which implementation this is. */
  readonly mode: 'mapped' | 'pread';
  /** The path it was opened with. */
  readonly path: string;
  /** Bytes in the file when it was opened. */
  readonly size: number;
  /**
   * Fills `target` with the bytes from `offset` on. `target` may lie over any memory, WebAssembly's included.
   * @throws RangeError when the range is not inside the file as it was opened, or the source is closed
   * @throws RunError naming the file when it became shorter since, or can't be read
   */
  readInto(offset: number, target: Uint8Array): void;
  /** Gives the file back; calling it again does nothing. */
  close(): void;
}

export interface ByteSourceOptions {
  /** `auto` (the default) maps where the system allows it and reads with pread otherwise. */
  readonly mode?: 'auto' | 'mapped' | 'pread';
}

/**
 * Opens a regular file for reading by ranges.
 * @throws RequestError when there is no such regular file, it may not be read, or `mode` is `mapped` where files
 *   can't be mapped
 */
export function openByteSource(path: string, { mode = 'auto' }: ByteSourceOptions = {}): ByteSource {
  if (mode === 'pread') return openPreadSource(path);
  const unavailable = mappingUnavailable();
  if (unavailable === undefined) {
    const source = openMappedSource(path);
    if (source !== undefined) return source;
  }
  if (mode === 'mapped')
    throw new RequestError(
      `cannot map ${path} into memory: ${unavailable ?? 'its file system does not support it'}; use pread`,
    );
  return openPreadSource(path);
}
