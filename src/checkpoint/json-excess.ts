/**
 * What can be said against a JSON document before anything is made of it: that it holds more than is allowed (two bytes
 * of JSON can become a hundred of memory), or that it is garbage.
 * @module
 */

export interface JsonLimits {
  /** Arrays and objects that may be open at once. */
  readonly maxDepth: number;
  /** Keys and values that there may be in all. */
  readonly maxValues: number;
  /** Keys that one object may have; as many as there may be values when left out. */
  readonly maxKeys?: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Whether the quote at `at` is escaped: an odd number of backslashes stands before it. */
function isEscaped(bytes: Uint8Array, at: number): boolean {
  let backslashes = 0;
  while (bytes[at - 1 - backslashes] === BACKSLASH) backslashes++;
  return backslashes % 2 === 1;
}

/** What stands outside strings in JSON, as a table by byte. */
const OUTSIDE_STRINGS = new Uint8Array(256);
for (const byte of Buffer.from('{}[],:"0123456789+-.eEtrufalsn \t\r\n')) OUTSIDE_STRINGS[byte] = 1;

/** Position after the string that begins at `start`; -1 when it does not end. */
function afterString(bytes: Uint8Array, start: number): number {
  let at = start + 1;
  for (;;) {
    const quote = bytes.indexOf(QUOTE, at);
    if (quote < 0) return -1;
    if (!isEscaped(bytes, quote)) return quote + 1;
    at = quote + 1;
  }
}

/** `malformed` when it isn't JSON at all; `position` counts bytes from 0. */
export interface JsonExcess {
  readonly reason: string;
  readonly position: number;
  readonly malformed: boolean;
}

/**
 * Where and how a document goes beyond `limits`, found without making anything of it; of what isn't valid JSON only
 * the coarsest is found. Keys and values are counted by the marks before them.
 */
export function jsonExcess(bytes: Uint8Array, limits: JsonLimits): JsonExcess | undefined {
  const { maxDepth, maxValues, maxKeys = maxValues } = limits;
  let depth = 0;
  let values = 0;
  let end = 0;
  /** By depth: keys of the object that is open there. */
  const keys = new Uint32Array(maxDepth + 1);
  for (let at = 0; at < bytes.length; ) {
    switch (bytes[at]) {
      case QUOTE:
        end = afterString(bytes, at);
        if (end < 0) return { reason: 'a string that does not end', position: at, malformed: true };
        at = end;
        continue;
      case 0x5b: // [
      case 0x7b: // {
        values++;
        if (++depth > maxDepth)
          return {
            reason: `more than ${maxDepth} nested arrays and objects`,
            position: at,
            malformed: false,
          };
        keys[depth] = 0;
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth--;
        break;
      case 0x2c: // ,
        values++;
        break;
      case 0x3a: // :
        values++;
        // Where more was closed than opened, which is not JSON, the array has no such place.
        keys[depth] = (keys[depth] ?? 0) + 1;
        if ((keys[depth] ?? 0) > maxKeys)
          return { reason: `an object of more than ${maxKeys} keys`, position: at, malformed: false };
        break;
      default:
        if (OUTSIDE_STRINGS[bytes[at] as number] === 0)
          return { reason: 'an unexpected character', position: at, malformed: true };
    }
    if (values > maxValues)
      return { reason: `more than ${maxValues} keys and values`, position: at, malformed: false };
    at++;
  }
  return undefined;
}
