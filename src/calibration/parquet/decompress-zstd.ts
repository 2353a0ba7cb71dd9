/**
 * Decompressing Zstandard data of a known length.
 * @see https://datatracker.ietf.org/doc/html/rfc8878
 * @module
 */
import { randomBytes } from 'node:crypto';
import { decompress } from 'fzstd';

const magic = 0xfd2fb528;
/** Bytes of the field that says which dictionary is used. */
const dictionaryBytes = [0, 1, 2, 4] as const;
const blockHeaderBytes = 3;
/** A block of this type is one byte, however long it becomes. */
const repeatedByte = 1;
const markBytes = 16;

/** Where the header of a frame's last block is, and where the block ends. */
function lastBlock(data: DataView): { readonly start: number; readonly end: number } {
  if (data.getUint32(0, true) !== magic) throw new Error('no Zstandard frame');
  const descriptor = data.getUint8(4);
  const singleSegment = (descriptor >> 5) & 1;
  const sizeFlag = descriptor >> 6;
  const sizeBytes = sizeFlag === 0 ? singleSegment : 1 << sizeFlag;
  let start = 6 - singleSegment + (dictionaryBytes[descriptor & 3] as number) + sizeBytes;
  for (;;) {
    const header = data.getUint16(start, true) | (data.getUint8(start + 2) << 16);
    const size = ((header >> 1) & 3) === repeatedByte ? 1 : header >> 3;
    const end = start + blockHeaderBytes + size;
    if (end > data.byteLength) throw new Error('a Zstandard frame that ends early');
    if (header & 1) return { start, end };
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
  const { start, end } = lastBlock(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
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
