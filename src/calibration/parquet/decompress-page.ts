/**
 * Decompressing a page of a column.
 * @module
 */
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import type { CompressionCodec } from 'hyparquet';
import { snappyUncompress } from 'hyparquet/src/snappy.js';
import { decompressZstd } from './decompress-zstd.js';

type Decompress = (bytes: Uint8Array, length: number) => Uint8Array;

const limited = (length: number) => ({ maxOutputLength: Math.max(1, length) });

/** Each writes into memory of the length that is expected, or stops there. */
const codecs: Partial<Record<CompressionCodec, Decompress>> = {
  UNCOMPRESSED: (bytes) => bytes,
  SNAPPY: (bytes, length) => {
    const page = new Uint8Array(length);
    snappyUncompress(bytes, page);
    return page;
  },
  GZIP: (bytes, length) => gunzipSync(bytes, limited(length)),
  BROTLI: (bytes, length) => brotliDecompressSync(bytes, limited(length)),
  ZSTD: decompressZstd,
};

/** Names of what can be decompressed. */
export const readableCodecs: readonly string[] = Object.keys(codecs);

/**
 * @param codec one of {@link readableCodecs}
 * @param length of what comes out
 * @returns the page in memory of its own
 * @throws Error when it is damaged, or comes out longer or shorter
 */
export function decompressPage(
  bytes: Uint8Array,
  codec: CompressionCodec,
  length: number,
): Uint8Array<ArrayBuffer> {
  // Levels before the values may be all there is.
  if (length === 0) return new Uint8Array();
  const page = codecs[codec]?.(bytes, length);
  if (page?.length !== length)
    throw new Error(`${codec} data of ${page?.length ?? 0} bytes, ${length} were announced`);
  // Behind the end there must be nothing that a wrong length could show.
  return page.buffer.byteLength === length ? (page as Uint8Array<ArrayBuffer>) : new Uint8Array(page);
}
