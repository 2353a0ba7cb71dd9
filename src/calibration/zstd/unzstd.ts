/**
 * Decompressing Zstandard as it arrives.
 * @module
 */
import { CompressedDataError } from '../compressed-data-error.js';
import { CpuTimeError, withinCpuTime } from '../cpu-time-limit.js';
import { FrameDecoder } from './frame-decoder.js';

/** Milliseconds for a piece of some 128 KiB, which takes five, and another for so many bytes of the window. */
const millisecondsToDecode = 600;
const windowBytesPerMillisecond = 2 ** 16;

/** What is decompressed in one go; some tens of bytes can hold work for hours. */
function decodeInTime(decoder: FrameDecoder): Uint8Array[] | undefined {
  const limit = millisecondsToDecode + decoder.window / windowBytesPerMillisecond;
  let begun = false;
  try {
    return withinCpuTime(limit, () => {
      // It is tried again where others had the processor; the library has lost its place then.
      if (begun)
        throw new CpuTimeError('it took too long, though little of the time was its own; run it again');
      begun = true;
      return decoder.decode();
    });
  } catch (cause) {
    if (cause instanceof CpuTimeError) throw new CompressedDataError(cause.message, { cause });
    throw cause;
  }
}

/**
 * What one Zstandard frame holds, or several one after the other. What is wrong with it is told after everything before it, so
 * that who stops earlier never hears of it.
 * @param name of the file, for messages
 * @throws CompressedDataError; RequestError for frames that need a dictionary or a larger window than is taken; and whatever
 *   `chunks` throws
 */
export async function* unzstd(chunks: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  const decoder = new FrameDecoder(name);
  for await (const chunk of chunks) {
    decoder.push(chunk);
    for (let pieces = decodeInTime(decoder); pieces; pieces = decodeInTime(decoder)) yield* pieces;
  }
  decoder.end();
}
