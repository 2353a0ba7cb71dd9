/**
 * The one document of a plain text file.
 * @module
 */
import { RequestError } from '../errors.js';
import { CompressedDataError } from './compressed-data-error.js';
import { maximumDocumentBytes, type TextDocument } from './text-document.js';

function decode(bytes: Uint8Array, where: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new RequestError(`${where}: not UTF-8 text`);
  }
}

async function readWhole(name: string, chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of chunks) {
      length += chunk.length;
      if (length > maximumDocumentBytes) {
        throw new RequestError(
          `${name}: longer than ${maximumDocumentBytes} bytes; cut it, or make it a .jsonl with one document a line`,
        );
      }
      parts.push(chunk);
    }
  } catch (cause) {
    if (!(cause instanceof CompressedDataError)) throw cause;
    throw new RequestError(`${name}: the compressed data are damaged: ${cause.message}`, { cause });
  }
  return Buffer.concat(parts, length);
}

/**
 * The whole file as one document, if there is anything in it: `\r\n` and `\r` are read as `\n`, as Python's text mode
 * does, a byte order mark is dropped, and nothing else is changed.
 * @throws RequestError for what isn't UTF-8 text, or too long
 */
export async function* readPlainText(
  name: string,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<TextDocument> {
  const whole = decode(await readWhole(name, chunks), name);
  const original = whole.startsWith('\uFEFF') ? whole.slice(1) : whole;
  if (original.includes('\0'))
    throw new RequestError(
      `${name}: it holds NUL characters, so it is no UTF-8 text; is it UTF-16, or not a text?`,
    );
  if (original === '') return;
  const text = original.replaceAll(/\r\n?/g, '\n');
  const note = text === original ? {} : { note: `${name}: line ends \\r\\n and \\r are read as \\n` };
  yield { where: name, text, ...note };
}
