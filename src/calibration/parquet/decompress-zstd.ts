/**
 * Decompressing Zstandard data of a known length.
 * @see https://datatracker.ietf.org/doc/html/rfc8878
 * @module
 */
import { randomBytes } from 'node:crypto';
import { decompress } from 'fzstd';
import { blockHeaderBytes, parseBlockHeader, parseFrameHeader } from '../zstd/frame-header.js';

const markBytes = 16;

/** Where the header of a frame's last block is, and where the block ends. */
function lastBlock(data: Uint8Array): { readonly start: number; readonly end: number } {
  let start = parseFrameHeader(data)?.bytes ?? data.length;
  for (;;) {
    const { storedBytes, last } = parseBlockHeader(data, start);
    const end = start + blockHeaderBytes + storedBytes;
    if (!(end <= data.length)) throw new Error('a Zstandard frame that ends early');
    if (last) return { start, end };
    start = end;
  }
}

/**
 * Decompresses one frame. The library gives back the memory that it is given, however much of it the data fill; so a block that
 * is stored as it is, of random bytes, is put behind the last one, and shows where that ended.
 * @returns the data in memory of its own
 * @throws Error when they are damaged, or come out longer or shorter than `length`
 */
export function decompressZstd(bytes: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const { start, end } = lastBlock(bytes);
  const mark = randomBytes(markBytes);
  const marked = new Uint8Array(end + blockHeaderBytes + markBytes);
  marked.set(bytes.subarray(0, end));
  marked[start] = (bytes[start] as number) & ~1;
  marked.set([1 | (markBytes << 3), 0, 0], end);
  marked.set(mark, end + blockHeaderBytes);
  const page = decompress(marked, new Uint8Array(length + markBytes));
  if (!mark.equals(page.subarray(length)))
    throw new Error(`ZSTD data of fewer bytes than the ${length} announced`);
  return page.slice(0, length);
}
