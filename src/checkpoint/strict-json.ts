/**
 * A strict JSON reader for files that nobody vouches for.
 *
 * `JSON.parse` silently keeps the last of two equal keys, turns `1e3` and `1000` into the same number, and its
 * objects give names such as `__proto__` a meaning. Here equal keys are refused, numbers keep their spelling, and
 * objects are Maps. Otherwise the grammar of RFC 8259, with unpaired surrogates refused as other languages do.
 * @module
 */

/** A number as it was spelt; `Number(text)` is its value. */
export class JsonNumber {
  constructor(readonly text: string) {}
}

export type JsonObject = ReadonlyMap<string, JsonValue>;
export type JsonValue = null | boolean | string | JsonNumber | readonly JsonValue[] | JsonObject;

/** What is wrong, and where: `position` counts UTF-16 units from 0. */
export class JsonError extends Error {
  constructor(
    readonly reason: string,
    readonly position: number,
  ) {
    super(`${reason} at character ${position + 1}`);
  }
}

export interface StrictJsonOptions {
  /** Arrays and objects that may be open at once. */
  readonly maxDepth: number;
}

/** A surrogate that is not half of a pair. */
const UNPAIRED = /\p{Surrogate}/u;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

/**
 * Parses one JSON document.
 * @throws JsonError on anything outside the grammar, a key that comes twice in one object, a number that is
 *   infinite as a double, or deeper nesting than allowed
 */
export function parseStrictJson(text: string, options: StrictJsonOptions): JsonValue {
  return new Scanner(text, options.maxDepth).document();
}

class Scanner {
  #position = 0;
  #depth = 0;

  constructor(
    private readonly text: string,
    private readonly maxDepth: number,
  ) {}

  document(): JsonValue {
    this.#space();
    const value = this.#value();
    this.#space();
    if (this.#position < this.text.length) this.#fail('characters after the end of the document');
    return value;
  }

  #fail(reason: string, position = this.#position): never {
    throw new JsonError(reason, position);
  }

  #space(): void {
    for (;;) {
      const code = this.text.charCodeAt(this.#position);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#position++;
    }
  }

  #value(): JsonValue {
    const character = this.text[this.#position];
    switch (character) {
      case '{':
        return this.#object();
      case '[':
        return this.#array();
      case '"':
        return this.#string();
      case 't':
        return this.#word('true', true);
      case 'f':
        return this.#word('false', false);
      case 'n':
        return this.#word('null', null);
      case undefined:
        return this.#fail('the document ends early');
      default:
        return this.#number();
    }
  }

  #word<T>(word: string, value: T): T {
    if (!this.text.startsWith(word, this.#position)) this.#fail('expected a value');
    this.#position += word.length;
    return value;
  }

  /** Skips digits; how many there were. By hand, since a regular expression's stack overflows on millions. */
  #digits(): number {
    const start = this.#position;
    for (;;) {
      const code = this.text.charCodeAt(this.#position);
      if (!(code >= 0x30 && code <= 0x39)) return this.#position - start;
      this.#position++;
    }
  }

  #number(): JsonNumber {
    const start = this.#position;
    if (this.text[this.#position] === '-') this.#position++;
    const zero = this.text[this.#position] === '0';
    const digits = this.#digits();
    if (digits === 0) this.#fail('expected a value', start);
    if (zero && digits > 1) this.#fail('a number with a leading zero', start);
    if (this.text[this.#position] === '.') {
      this.#position++;
      if (this.#digits() === 0) this.#fail('a number without digits after its point', start);
    }
    if (this.text[this.#position] === 'e' || this.text[this.#position] === 'E') {
      this.#position++;
      if (this.text[this.#position] === '+' || this.text[this.#position] === '-') this.#position++;
      if (this.#digits() === 0) this.#fail('a number without digits in its exponent', start);
    }
    const text = this.text.slice(start, this.#position);
    if (!Number.isFinite(Number(text))) this.#fail('a number out of range', start);
    return new JsonNumber(text);
  }

  /** Skips what a string may hold unescaped. */
  #plain(): string {
    const start = this.#position;
    for (;;) {
      const code = this.text.charCodeAt(this.#position);
      // NaN, at the end of the text, ends it too.
      if (!(code >= 0x20) || code === 0x22 || code === 0x5c) return this.text.slice(start, this.#position);
      this.#position++;
    }
  }

  #string(): string {
    const start = this.#position++;
    let value = '';
    for (;;) {
      value += this.#plain();
      const character = this.text[this.#position];
      if (character === '"') break;
      if (character === undefined) this.#fail('a string that does not end', start);
      if (character !== '\\') this.#fail('a control character in a string');
      value += this.#escape();
    }
    this.#position++;
    if (UNPAIRED.test(value)) this.#fail('half of a surrogate pair in a string', start);
    return value;
  }

  #escape(): string {
    const character = this.text[this.#position + 1] ?? '';
    if (character === 'u') {
      const digits = this.text.slice(this.#position + 2, this.#position + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) this.#fail('an invalid escape in a string');
      this.#position += 6;
      return String.fromCharCode(Number.parseInt(digits, 16));
    }
    const value = Object.hasOwn(ESCAPES, character) ? ESCAPES[character] : undefined;
    if (value === undefined) this.#fail('an invalid escape in a string');
    this.#position += 2;
    return value;
  }

  #open(): void {
    if (++this.#depth > this.maxDepth) this.#fail(`more than ${this.maxDepth} nested arrays and objects`);
    this.#position++;
    this.#space();
  }

  /** After an element: true when another one follows, false when `close` ends the list. */
  #more(close: string): boolean {
    this.#space();
    const character = this.text[this.#position];
    if (character !== ',' && character !== close) this.#fail(`expected "," or "${close}"`);
    this.#position++;
    if (character === close) {
      this.#depth--;
      return false;
    }
    this.#space();
    return true;
  }

  #array(): JsonValue[] {
    this.#open();
    const values: JsonValue[] = [];
    if (this.text[this.#position] === ']') {
      this.#position++;
      this.#depth--;
      return values;
    }
    do values.push(this.#value());
    while (this.#more(']'));
    return values;
  }

  #object(): JsonObject {
    this.#open();
    const members = new Map<string, JsonValue>();
    if (this.text[this.#position] === '}') {
      this.#position++;
      this.#depth--;
      return members;
    }
    do {
      const start = this.#position;
      if (this.text[start] !== '"') this.#fail('expected a key in double quotes');
      const key = this.#string();
      if (members.has(key)) this.#fail(`the key ${JSON.stringify(key)} a second time`, start);
      this.#space();
      if (this.text[this.#position] !== ':') this.#fail('expected ":"');
      this.#position++;
      this.#space();
      members.set(key, this.#value());
    } while (this.#more('}'));
    return members;
  }
}
