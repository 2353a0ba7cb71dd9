/**
 * Documents out of JSON lines.
 * @module
 */
import { parseBoundedJson } from '../checkpoint/bounded-json.js';
import { RequestError } from '../errors.js';
import { CompressedDataError } from './compressed-data-error.js';
import {
  documentField,
  maximumDocumentBytes,
  parseMessages,
  type TextDocument,
  withoutNulls,
} from './text-document.js';

/** A line is an object with a text, or with messages of two texts each: a thousand turns are four thousand values. */
const lineLimits = { maxDepth: 64, maxValues: 200_000 };

const newline = 0x0a;

/**
 * The lines of a file as bytes, without their `\n`.
 * @throws RequestError naming the line when it is too long, or what is read for it is damaged
 */
async function* readLines(name: string, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let parts: Uint8Array[] = [];
  let length = 0;
  let line = 1;
  try {
    for await (const chunk of chunks) {
      let start = 0;
      while (start < chunk.length) {
        const at = chunk.indexOf(newline, start);
        const end = at < 0 ? chunk.length : at;
        length += end - start;
        if (length > maximumDocumentBytes) {
          throw new RequestError(
            `${name}:${line}: the line is longer than ${maximumDocumentBytes} bytes; give shorter documents`,
          );
        }
        parts.push(chunk.subarray(start, end));
        if (at < 0) break;
        yield Buffer.concat(parts, length);
        parts = [];
        length = 0;
        line++;
        start = at + 1;
      }
    }
  } catch (cause) {
    if (!(cause instanceof CompressedDataError)) throw cause;
    throw new RequestError(`${name}:${line}: the compressed data are damaged here: ${cause.message}`, {
      cause,
    });
  }
  if (length > 0) yield Buffer.concat(parts, length);
}

function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}

/** Null where the field is. */
function parseLine(bytes: Uint8Array, asked: string | undefined, where: string): TextDocument | null {
  const value = parseBoundedJson(bytes, lineLimits, where);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new RequestError(`${where}: expected a JSON object with ${asked ?? 'text or messages'}`);
  }
  const field = documentField(Object.keys(value), asked, 'field', where);
  const content = (value as Record<string, unknown>)[field];
  if (content === null) return null;
  if (typeof content === 'string' && (asked !== undefined || field === 'text')) {
    return { where, text: content };
  }
  if (field === 'messages' || (asked !== undefined && Array.isArray(content))) {
    return { where, messages: parseMessages(content, field, where) };
  }
  throw new RequestError(
    `${where}: ${field} is not a JSON string${asked === undefined ? '' : ', nor a list of {role, content}'}`,
  );
}

/** A document or null for every line, undefined for blank ones. */
async function* lineDocuments(
  name: string,
  chunks: AsyncIterable<Uint8Array>,
  field: string | undefined,
): AsyncGenerator<TextDocument | null | undefined> {
  let line = 0;
  for await (const bytes of readLines(name, chunks)) {
    line++;
    yield isBlank(bytes) ? undefined : parseLine(bytes, field, `${name}:${line}`);
  }
}

/**
 * A document a line, each a JSON object; blank lines and those whose field is null are passed over.
 * @param field as of `documentField`
 * @throws RequestError with file and line for what can't be understood
 */
export function readJsonLines(
  name: string,
  chunks: AsyncIterable<Uint8Array>,
  field: string | undefined,
): AsyncGenerator<TextDocument> {
  return withoutNulls(lineDocuments(name, chunks, field), field, name);
}
