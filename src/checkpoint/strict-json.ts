/**
 * A strict JSON reader for files that nobody vouches for.
 *
 * `JSON.parse` silently keeps the last of two equal keys, turns `1e3` and `1000` into the same number, and its
 * objects give names such as `__proto__` a meaning. Here equal keys are refused, numbers other than plain integers keep
 * their spelling, and objects are Maps. Otherwise the grammar of RFC 8259, with unpaired surrogates refused as other
 * languages do. Reads the bytes themselves, so that a large file is never held a second time as text.
 * @module
 */
import { type JsonLimits, jsonExcess } from './json-excess.js';

/** A number that isn't a plain integer, as it was spelt; `Number(text)` is its value. */
export class JsonNumber {
  constructor(readonly text: string) {}
}

export type JsonObject = ReadonlyMap<string, JsonValue>;
/** A `number` was spelt as an integer of digits alone and is at most 2⁵³−1; every other number is a `JsonNumber`. */
export type JsonValue = null | boolean | string | number | JsonNumber | readonly JsonValue[] | JsonObject;

/**
 * What is wrong, and where: `position` counts bytes from 0. `malformed` when it isn't JSON that can be taken, and not when it
 * only holds more than is allowed.
 */
export class JsonError extends Error {
  constructor(
    readonly reason: string,
    readonly position: number,
    readonly malformed: boolean,
  ) {
    super(`${reason} at byte ${position + 1}`);
  }
}

const QUOTE = 0x22;
const PLUS = 0x2b;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** A surrogate that is not half of a pair. */
const UNPAIRED = /\p{Surrogate}/u;

const WORDS = { t: Buffer.from('true'), f: Buffer.from('false'), n: Buffer.from('null') } as const;

/**
 * Parses one JSON document.
 * @param bytes UTF-8; a byte order mark is not JSON
 * @throws JsonError on anything outside the grammar, a key that comes twice in one object, a number that is
 *   infinite as a double, text that isn't UTF-8, or more nesting or values than allowed
 */
export function parseStrictJson(bytes: Uint8Array, limits: JsonLimits): JsonValue {
  const excess = jsonExcess(bytes, limits);
  if (excess !== undefined) throw new JsonError(excess.reason, excess.position, excess.malformed);
  return new Scanner(bytes, limits).document();
}

class Scanner {
  readonly #bytes: Buffer;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  #position = 0;
  #depth = 0;
  #values = 0;

  constructor(
    bytes: Uint8Array,
    private readonly limits: JsonLimits,
  ) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  document(): JsonValue {
    this.#space();
    const value = this.#value();
    this.#space();
    if (this.#position < this.#bytes.length) this.#fail('characters after the end of the document');
    return value;
  }

  #fail(reason: string, position = this.#position): never {
    throw new JsonError(reason, position, true);
  }

  #exceed(reason: string): never {
    throw new JsonError(reason, this.#position, false);
  }

  #count(): void {
    if (++this.#values > this.limits.maxValues)
      this.#exceed(`more than ${this.limits.maxValues} keys and values`);
  }

  #space(): void {
    for (;;) {
      const byte = this.#bytes[this.#position];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
      this.#position++;
    }
  }

  #value(): JsonValue {
    this.#count();
    switch (this.#bytes[this.#position]) {
      case OPEN_OBJECT:
        return this.#object();
      case OPEN_ARRAY:
        return this.#array();
      case QUOTE:
        return this.#string();
      case WORDS.t[0]:
        return this.#word(WORDS.t, true);
      case WORDS.f[0]:
        return this.#word(WORDS.f, false);
      case WORDS.n[0]:
        return this.#word(WORDS.n, null);
      case undefined:
        return this.#fail('the document ends early');
      default:
        return this.#number();
    }
  }

  #word<T>(word: Uint8Array, value: T): T {
    for (const [i, byte] of word.entries())
      if (this.#bytes[this.#position + i] !== byte) this.#fail('expected a value');
    this.#position += word.length;
    return value;
  }

  /** Skips digits; how many there were. */
  #digits(): number {
    const start = this.#position;
    for (;;) {
      const byte = this.#bytes[this.#position];
      if (!(byte !== undefined && byte >= ZERO && byte <= NINE)) return this.#position - start;
      this.#position++;
    }
  }

  #number(): number | JsonNumber {
    const bytes = this.#bytes;
    const start = this.#position;
    if (bytes[this.#position] === MINUS) this.#position++;
    const zero = bytes[this.#position] === ZERO;
    const digits = this.#digits();
    if (digits === 0) this.#fail('expected a value', start);
    if (zero && digits > 1) this.#fail('a number with a leading zero', start);
    const plain = this.#position - start === digits;
    const integerEnd = this.#position;
    if (bytes[this.#position] === POINT) {
      this.#position++;
      if (this.#digits() === 0) this.#fail('a number without digits after its point', start);
    }
    if (bytes[this.#position] === 0x65 || bytes[this.#position] === 0x45) {
      this.#position++;
      if (bytes[this.#position] === PLUS || bytes[this.#position] === MINUS) this.#position++;
      if (this.#digits() === 0) this.#fail('a number without digits in its exponent', start);
    }
    const text = bytes.toString('latin1', start, this.#position);
    const value = Number(text);
    if (!Number.isFinite(value)) this.#fail('a number out of range', start);
    return plain && this.#position === integerEnd && Number.isSafeInteger(value)
      ? value
      : new JsonNumber(text);
  }

  #string(): string {
    const bytes = this.#bytes;
    const start = this.#position + 1;
    let ascii = true;
    let escaped = false;
    let at = start;
    for (; ; at++) {
      const byte = bytes[at];
      if (byte === QUOTE) break;
      if (byte === undefined) this.#fail('a string that does not end', start - 1);
      if (byte < 0x20) this.#fail('a control character in a string', at);
      if (byte >= 0x80) ascii = false;
      if (byte === BACKSLASH) {
        escaped = true;
        // A control character after it is no escape; it is found by the decoding below.
        at++;
      }
    }
    this.#position = at + 1;
    let text: string;
    try {
      text = ascii ? bytes.toString('latin1', start, at) : this.#decoder.decode(bytes.subarray(start, at));
    } catch {
      return this.#fail('not valid UTF-8 in a string', start - 1);
    }
    if (!escaped) return text;
    try {
      text = JSON.parse(`"${text}"`) as string;
    } catch {
      return this.#fail('an invalid escape in a string', start - 1);
    }
    if (UNPAIRED.test(text)) this.#fail('half of a surrogate pair in a string', start - 1);
    return text;
  }

  #open(): void {
    if (++this.#depth > this.limits.maxDepth)
      this.#exceed(`more than ${this.limits.maxDepth} nested arrays and objects`);
    this.#position++;
    this.#space();
  }

  /** Whether the array or object that was just opened ends at once. */
  #isEmpty(close: number): boolean {
    if (this.#bytes[this.#position] !== close) return false;
    this.#position++;
    this.#depth--;
    return true;
  }

  /** After an element: true when another one follows, false when `close` ends the list. */
  #more(close: number): boolean {
    this.#space();
    const byte = this.#bytes[this.#position];
    if (byte !== COMMA && byte !== close) this.#fail(`expected "," or "${String.fromCharCode(close)}"`);
    this.#position++;
    if (byte === close) {
      this.#depth--;
      return false;
    }
    this.#space();
    return true;
  }

  #array(): JsonValue[] {
    const values: JsonValue[] = [];
    this.#open();
    if (this.#isEmpty(CLOSE_ARRAY)) return values;
    do values.push(this.#value());
    while (this.#more(CLOSE_ARRAY));
    return values;
  }

  #object(): JsonObject {
    const members = new Map<string, JsonValue>();
    this.#open();
    if (this.#isEmpty(CLOSE_OBJECT)) return members;
    do {
      const start = this.#position;
      if (this.#bytes[start] !== QUOTE) this.#fail('expected a key in double quotes');
      this.#count();
      const key = this.#string();
      if (members.has(key)) this.#fail(`the key ${JSON.stringify(shortened(key))} a second time`, start);
      this.#space();
      if (this.#bytes[this.#position] !== COLON) this.#fail('expected ":"');
      this.#position++;
      this.#space();
      members.set(key, this.#value());
    } while (this.#more(CLOSE_OBJECT));
    return members;
  }
}

/** Characters of a name from a file that a message quotes at most. */
const QUOTED_CHARACTERS = 200;

/** The beginning of a name that nobody vouches for: messages stay short however long it is. */
export function shortened(name: string): string {
  return name.length <= QUOTED_CHARACTERS ? name : `${name.slice(0, QUOTED_CHARACTERS)}…`;
}
