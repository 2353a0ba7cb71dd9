/**
 * Decompressing gzip as it arrives.
 * @module
 */
import { createGunzip } from 'node:zlib';

/** Bytes that are decompressed in one go; what comes of them, up to a thousand times as much, is in memory at once. */
const sliceBytes = 2 ** 14;

/**
 * Text of that many bytes and more that was compressed to less than a part in so many is none: it comes down to a third or a
 * tenth, and only what says the same over and over to a thousandth.
 */
const maximumRatio = 200;
const freeBytes = 2 ** 24;

/** The data are no gzip, are damaged, end early, or stand for more than they should. */
export class GzipError extends Error {}

/**
 * What one gzip stream holds, or several one after the other. What is wrong with it is told after everything before it,
 * so that who stops earlier never hears of it.
 * @throws GzipError, and whatever `chunks` throws
 */
export async function* gunzip(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const stream = createGunzip();
  const ready: Buffer[] = [];
  let ended = false;
  let problem: Error | undefined;
  let read = 0;
  let written = 0;
  let settle = () => {};
  stream.on('data', (bytes: Buffer) => {
    written += bytes.length;
    ready.push(bytes);
  });
  stream.on('end', () => {
    ended = true;
    settle();
  });
  stream.on('error', (error) => {
    problem = error;
    settle();
  });
  const check = () => {
    if (problem) throw new GzipError(problem.message, { cause: problem });
    if (written > freeBytes && written > maximumRatio * read)
      throw new GzipError(`${read} bytes stand for ${written}, which is no text`);
  };
  try {
    for await (const chunk of chunks) {
      // After the last stream there may be zeros, which are passed over.
      for (let start = 0; start < chunk.length && !ended; start += sliceBytes) {
        const slice = chunk.subarray(start, start + sliceBytes);
        read += slice.length;
        await new Promise<void>((resolve) => {
          settle = resolve;
          stream.write(slice, () => resolve());
        });
        yield* ready.splice(0);
        check();
      }
    }
    if (ended) return;
    await new Promise<void>((resolve) => {
      settle = resolve;
      // Its callback is called before the end is looked at.
      stream.end();
    });
    yield* ready.splice(0);
    check();
  } finally {
    stream.destroy();
  }
}
