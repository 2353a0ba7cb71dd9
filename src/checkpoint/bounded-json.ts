/**
 * `JSON.parse` for files that nobody vouches for: nesting and number of values are counted before anything is made of
 * them. For what other programs read with ordinary JSON readers, whose rules (the last of equal keys counts) it keeps.
 * @module
 */
import { RequestError } from '../errors.js';
import { type JsonLimits, shortened } from './strict-json.js';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Whether the quote at `at` is escaped: an odd number of backslashes stands before it. */
function isEscaped(bytes: Uint8Array, at: number): boolean {
  let backslashes = 0;
  while (bytes[at - 1 - backslashes] === BACKSLASH) backslashes++;
  return backslashes % 2 === 1;
}

/** Position after the string that begins at `start`. */
function afterString(bytes: Uint8Array, start: number): number {
  let at = start + 1;
  for (;;) {
    const quote = bytes.indexOf(QUOTE, at);
    if (quote < 0) return bytes.length;
    if (!isEscaped(bytes, quote)) return quote + 1;
    at = quote + 1;
  }
}

/** Why the document is more than `limits` allow; it need not be valid JSON. */
function excess(bytes: Uint8Array, { maxDepth, maxValues }: JsonLimits): string | undefined {
  let depth = 0;
  let values = 0;
  for (let at = 0; at < bytes.length; ) {
    switch (bytes[at]) {
      case QUOTE:
        at = afterString(bytes, at);
        continue;
      case 0x5b: // [
      case 0x7b: // {
        values++;
        if (++depth > maxDepth) return `more than ${maxDepth} nested arrays and objects`;
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth--;
        break;
      case 0x2c: // ,
      case 0x3a: // :
        values++;
        break;
    }
    if (values > maxValues) return `more than ${maxValues} keys and values`;
    at++;
  }
  return undefined;
}

/**
 * Parses UTF-8 JSON; a byte order mark is passed over.
 * @param where file and line, for messages
 * @throws RequestError that says what is wrong, in few words however long the document is
 */
export function parseBoundedJson(bytes: Uint8Array, limits: JsonLimits, where: string): unknown {
  const problem = excess(bytes, limits);
  if (problem !== undefined) throw new RequestError(`${where}: ${problem}`);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new RequestError(`${where}: not valid UTF-8`, { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new RequestError(`${where}: not valid JSON: ${shortened((cause as Error).message)}`, { cause });
  }
}
