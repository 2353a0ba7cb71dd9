/**
 * A byte source over a shared read-only memory map.
 * @module
 */
import { closeSync, fstatSync } from 'node:fs';
import { RunError } from '../errors.js';
import { type FileMap, fileMap } from '../system/file-map.js';
import type { ByteSource } from './byte-source.js';
import { checkRange, openRegularFile, truncatedError } from './open-regular-file.js';

/**
 * A page that is touched brings neighbours into the map: those in the same aligned stretch of addresses (Linux's
 * fault-around), at most as many as one entry of the next level of the page table covers, 2 MiB with 4 KiB pages.
 */
const NEIGHBOURHOOD = 2n ** 21n;

interface Addresses {
  readonly start: bigint;
  readonly end: bigint;
}

/** Drops the pages of a range and whatever came into the map with them. The map is this thread's own. */
function dropAround(native: FileMap, map: Addresses, range: Addresses): void {
  const first = range.start - (range.start % NEIGHBOURHOOD);
  const last = range.end + ((NEIGHBOURHOOD - (range.end % NEIGHBOURHOOD)) % NEIGHBOURHOOD);
  const start = first < map.start ? map.start : first;
  native.drop(start, Number((last > map.end ? map.end : last) - start));
}

/** Why files can't be mapped on this system, or `undefined` where they can. */
export function mappingUnavailable(): string | undefined {
  const native = fileMap();
  return 'unavailable' in native ? native.unavailable : undefined;
}

/**
 * Maps a file and reads ranges out of it. Pages are dropped again once read, so resident memory stays flat.
 *
 * Touching a mapped page whose file was cut off raises SIGBUS, which no JavaScript can catch. On Linux the kernel
 * makes the copy and reports such a page as an error; elsewhere the size is checked right before the copy.
 *
 * @returns `undefined` where this file can’t be mapped (a file system without maps, no address space left)
 * @throws RequestError when there is no such regular file or it may not be read
 */
export function openMappedSource(path: string): ByteSource | undefined {
  const native = fileMap();
  if ('unavailable' in native) return undefined;
  const { descriptor, size } = openRegularFile(path);
  const address = size === 0 ? undefined : native.map(descriptor, size);
  if (typeof address !== 'bigint' && size > 0) {
    closeSync(descriptor);
    return undefined;
  }
  const start = typeof address === 'bigint' ? address : 0n;

  const checkSize = () => {
    const now = fstatSync(descriptor).size;
    if (now < size) throw truncatedError(path, size, now);
  };
  let closed = false;
  return {
    mode: 'mapped',
    path,
    size,
    readInto(offset, target) {
      const bytes = target.byteLength;
      checkRange(path, size, offset, bytes, closed);
      if (bytes === 0) return;
      checkSize();
      const from = start + BigInt(offset);
      for (let done = 0; done < bytes; ) {
        const copied = native.copy(from + BigInt(done), done === 0 ? target : target.subarray(done));
        if (typeof copied !== 'number' || copied === 0) {
          checkSize();
          throw new RunError(
            `cannot read ${path} at byte ${offset + done}: ${copied === 0 ? 'EIO' : copied.code}`,
          );
        }
        done += copied;
      }
      // Again: the rest of a page beyond a new end reads as zeros without any error.
      checkSize();
      dropAround(native, { start, end: start + BigInt(size) }, { start: from, end: from + BigInt(bytes) });
    },
    close() {
      if (closed) return;
      closed = true;
      if (size > 0) native.unmap(start, size);
      closeSync(descriptor);
    },
  };
}
