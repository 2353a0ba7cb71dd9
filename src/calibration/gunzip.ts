/**
 * Decompressing gzip as it arrives.
 * @module
 */
import { createGunzip } from 'node:zlib';
import { CompressedDataError } from './compressed-data-error.js';

/** Bytes that are decompressed in one go; what comes of them, up to a thousand times as much, is in memory at once. */
const sliceBytes = 2 ** 14;

/**
 * What one gzip stream holds, or several one after the other. What is wrong with it is told after everything before it,
 * so that who stops earlier never hears of it.
 * @throws CompressedDataError, and whatever `chunks` throws
 */
export async function* gunzip(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const stream = createGunzip();
  const ready: Buffer[] = [];
  let ended = false;
  let problem: Error | undefined;
  let settle = () => {};
  stream.on('data', (bytes: Buffer) => ready.push(bytes));
  stream.on('end', () => {
    ended = true;
    settle();
  });
  stream.on('error', (error) => {
    problem = error;
    settle();
  });
  const check = () => {
    if (problem) throw new CompressedDataError(problem.message, { cause: problem });
  };
  try {
    for await (const chunk of chunks) {
      // After the last stream there may be zeros, which are passed over.
      for (let start = 0; start < chunk.length && !ended; start += sliceBytes) {
        await new Promise<void>((resolve) => {
          settle = resolve;
          stream.write(chunk.subarray(start, start + sliceBytes), () => resolve());
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
