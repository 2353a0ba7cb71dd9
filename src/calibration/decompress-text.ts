/**
 * Decompressing text, as long as it may be text.
 * @module
 */
import { CompressedDataError } from './compressed-data-error.js';

/**
 * Text of that many bytes and more that was compressed to less than a part in so many is none: it comes down to a third or a
 * tenth, and only what says the same over and over to a thousandth.
 */
const maximumRatio = 200;
const freeBytes = 2 ** 24;

/** @throws CompressedDataError where the bytes stand for more than any text; whatever `chunks` and `decompress` throw */
export async function* decompressText(
  chunks: AsyncIterable<Uint8Array>,
  decompress: (chunks: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let read = 0;
  let written = 0;
  const counted = async function* () {
    for await (const chunk of chunks) {
      read += chunk.length;
      yield chunk;
    }
  };
  for await (const piece of decompress(counted())) {
    yield piece;
    written += piece.length;
    if (written > freeBytes && written > maximumRatio * read)
      throw new CompressedDataError(`${read} bytes stand for ${written}, which is no text`);
  }
}
