/**
 * Documents out of text files.
 * @module
 */
import { createReadStream, statSync } from 'node:fs';
import { extname } from 'node:path';
import { parseBoundedJson } from '../checkpoint/bounded-json.js';
import { RequestError } from '../errors.js';
import type { ChatMessage } from './chat-message.js';

/**
 * Longest document, a whole `.txt` or one line of a `.jsonl`: tokenising takes some fifty times its bytes of memory.
 */
export const maximumDocumentBytes = 16 * 2 ** 20;

/** A line is an object with a text, or with messages of two texts each: a thousand turns are four thousand values. */
const lineLimits = { maxDepth: 64, maxValues: 200_000 };

/** One document: a text, or a conversation. `line` counts from 1; `note` is something the user should know. */
export type TextDocument =
  | { readonly line: number; readonly text: string; readonly note?: string }
  | { readonly line: number; readonly messages: readonly ChatMessage[] };

const newline = 0x0a;

/** The lines of a file as bytes, without their `\n`; `limit` is the most bytes of one. */
async function* readLines(
  path: string,
  limit: number,
  tooLong: (line: number) => RequestError,
): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let length = 0;
  let line = 1;
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 18 }) as AsyncIterable<Buffer>) {
    let start = 0;
    while (start < chunk.length) {
      const at = chunk.indexOf(newline, start);
      const end = at < 0 ? chunk.length : at;
      length += end - start;
      if (length > limit) throw tooLong(line);
      parts.push(chunk.subarray(start, end));
      if (at < 0) break;
      yield Buffer.concat(parts, length);
      parts = [];
      length = 0;
      line++;
      start = at + 1;
    }
  }
  if (length > 0) yield Buffer.concat(parts, length);
}

function decode(bytes: Uint8Array, where: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new RequestError(`${where}: not UTF-8 text`);
  }
}

function withoutByteOrderMark(text: string): string {
  return text.startsWith('\uFEFF') ? text.slice(1) : text;
}

function parseMessages(value: unknown, where: string): ChatMessage[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw new RequestError(`${where}: messages must be a list of at least one {role, content}`);
  }
  return value.map((message: unknown, index) => {
    const { role, content } = (message ?? {}) as Record<string, unknown>;
    if (typeof role !== 'string' || typeof content !== 'string') {
      throw new RequestError(`${where}: messages[${index}] must have a role and a content, both text`);
    }
    return { role, content };
  });
}

function parseJsonLine(bytes: Uint8Array, line: number, where: string): TextDocument {
  const value = parseBoundedJson(bytes, lineLimits, where);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new RequestError(`${where}: expected a JSON object with text or messages`);
  }
  const [hasText, hasMessages] = [Object.hasOwn(value, 'text'), Object.hasOwn(value, 'messages')];
  if (hasText && hasMessages)
    throw new RequestError(`${where}: both text and messages; a document is one of them`);
  const { text: plain, messages } = value as { text?: unknown; messages?: unknown };
  if (hasMessages) return { line, messages: parseMessages(messages, where) };
  if (!hasText) {
    const keys = Object.keys(value).slice(0, 8).join(', ') || 'no fields at all';
    throw new RequestError(`${where}: neither text nor messages; found ${keys}`);
  }
  if (typeof plain !== 'string') throw new RequestError(`${where}: text is not a JSON string`);
  return { line, text: plain };
}

function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}

async function* readJsonLines(path: string): AsyncGenerator<TextDocument> {
  const tooLong = (line: number) =>
    new RequestError(
      `${path}:${line}: the line is longer than ${maximumDocumentBytes} bytes; give shorter documents`,
    );
  let line = 0;
  for await (const bytes of readLines(path, maximumDocumentBytes, tooLong)) {
    line++;
    const where = `${path}:${line}`;
    if (!isBlank(bytes)) yield parseJsonLine(bytes, line, where);
  }
}

async function* readPlainText(path: string): AsyncGenerator<TextDocument> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maximumDocumentBytes) {
      throw new RequestError(
        `${path}: longer than ${maximumDocumentBytes} bytes; cut it, or make it a .jsonl with one document a line`,
      );
    }
    parts.push(chunk);
  }
  const original = withoutByteOrderMark(decode(Buffer.concat(parts, length), path));
  if (original.includes('\0'))
    throw new RequestError(
      `${path}: it holds NUL characters, so it is no UTF-8 text; is it UTF-16, or not a text?`,
    );
  if (original === '') return;
  const text = original.replaceAll(/\r\n?/g, '\n');
  const note = text === original ? {} : { note: `${path}: line ends \\r\\n and \\r are read as \\n` };
  yield { line: 1, text, ...note };
}

/**
 * The documents of a text file, in its order: a `.txt` is one (`\r\n` and `\r` are read as
 * `\n`, as Python's text mode does, and nothing else is changed), a `.jsonl`
 * has one a line, a JSON object with `text` or with `messages` (`[{role, content}]`); blank lines are passed over. A
 * byte order mark is dropped. Reads as far as it is asked.
 * @throws RequestError with file and line for what can't be read or understood, and for a file without documents
 */
export async function* readDocuments(path: string): AsyncGenerator<TextDocument> {
  const extension = extname(path).toLowerCase();
  if (extension !== '.txt' && extension !== '.jsonl') {
    throw new RequestError(`${path}: a text file is a .txt or a .jsonl, found ${extension || 'no ending'}`);
  }
  let any = false;
  try {
    // Asked before opening: opening a named pipe would wait for a writer, and a device has no end.
    const status = statSync(path);
    if (status.isDirectory()) throw new RequestError(`${path}: a folder, not a text file`);
    if (!status.isFile()) throw new RequestError(`${path}: not a regular file`);
    for await (const document of extension === '.txt' ? readPlainText(path) : readJsonLines(path)) {
      any = true;
      yield document;
    }
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new RequestError(`${path}: no such file`, { cause });
    if (cause instanceof RequestError || code === undefined) throw cause;
    throw new RequestError(`${path}: cannot be read: ${message}`, { cause });
  }
  if (!any) throw new RequestError(`${path}: the file has no text in it`);
}
