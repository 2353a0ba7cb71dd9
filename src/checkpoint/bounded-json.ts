/**
 * `JSON.parse` for files that nobody vouches for: nesting and number of values are counted before anything is made of
 * them. For what other programs read with ordinary JSON readers, whose rules (the last of equal keys counts) it keeps.
 * @module
 */
import { RequestError } from '../errors.js';
import { type JsonLimits, jsonExcess } from './json-excess.js';
import { shortened } from './strict-json.js';

const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];

/**
 * Parses UTF-8 JSON; a byte order mark is passed over.
 * @param where file and line, for messages
 * @throws RequestError that says what is wrong, in few words however long the document is
 */
export function parseBoundedJson(bytes: Uint8Array, limits: JsonLimits, where: string): unknown {
  const content = BYTE_ORDER_MARK.every((byte, i) => bytes[i] === byte) ? bytes.subarray(3) : bytes;
  const excess = jsonExcess(content, limits);
  if (excess !== undefined) {
    const { reason, position, malformed } = excess;
    throw new RequestError(
      `${where}: ${malformed ? 'not valid JSON: ' : ''}${reason} at byte ${position + 1}`,
    );
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(content);
  } catch (cause) {
    throw new RequestError(`${where}: not valid UTF-8`, { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new RequestError(`${where}: not valid JSON: ${shortened((cause as Error).message)}`, { cause });
  }
}
