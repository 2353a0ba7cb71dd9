import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonError, JsonNumber, type JsonValue, parseStrictJson } from '../../src/checkpoint/strict-json.js';

const parse = (text: string, maxDepth = 100, maxValues = 1_000) =>
  parseStrictJson(Buffer.from(text), { maxDepth, maxValues });

function plain(value: JsonValue): unknown {
  if (value instanceof JsonNumber) return Number(value.text);
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]));
  return value;
}

/** JSON.parse on the same text; `undefined` when it refuses. */
function native(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

describe('parseStrictJson', () => {
  it('reads what JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (text) => {
        expect(plain(parse(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  it('agrees with JSON.parse on documents with one character changed', () => {
    const alphabet = '{}[]",:\\0123456789.-+eEtrufalsn \t\n\u0000\u001f\u007fé';
    fc.assert(
      fc.property(
        fc.json({ maxDepth: 3 }),
        fc.nat(),
        fc.constantFrom(...alphabet, ''),
        fc.boolean(),
        (text, at, character, insert) => {
          const position = at % (text.length + 1);
          const changed = text.slice(0, position) + character + text.slice(position + (insert ? 0 : 1));
          let value: JsonValue;
          try {
            value = parse(changed);
          } catch (error) {
            expect(error).toBeInstanceOf(JsonError);
            // Only what this reader refuses on purpose may be valid for the other one.
            if (!/second time|surrogate|out of range/.test((error as Error).message))
              expect(native(changed), changed).toBeUndefined();
            return;
          }
          expect(native(changed)).toEqual({ value: plain(value) });
        },
      ),
      { numRuns: 3000 },
    );
  });

  it.each([
    ['{"a":1,"a":1}', 'the key "a" a second time at byte 8'],
    ['{"a":1,"\\u0061":2}', 'a second time'],
    ['{"x":{"a":1,"b":{},"a":2}}', 'a second time'],
    ['"\\ud800"', 'surrogate'],
    ['"\\udc00\\ud800"', 'surrogate'],
    ['1e999', 'out of range'],
    ['01', 'leading zero'],
    ['-', 'expected a value'],
    ['1.', 'point'],
    ['1e', 'exponent'],
    ['"\n"', 'control character'],
    ['"\\x"', 'invalid escape'],
    ['"\\u12g4"', 'invalid escape'],
    ['"a', 'does not end at byte 1'],
    ['', 'ends early'],
    ['[1,]', 'expected a value'],
    ['{"a":1,}', 'expected a key'],
    ['{a:1}', 'expected a key'],
    ['[1 2]', 'expected "," or "]"'],
    ['nul', 'expected a value'],
    ['{} {}', 'after the end'],
    ['\ufeff{}', 'an unexpected character at byte 1'],
    ['NaN', 'an unexpected character at byte 1'],
  ])('refuses %j', (text, reason) => {
    expect(() => parse(text)).toThrow(reason);
  });

  it('keeps the spelling of numbers, and names without meaning', () => {
    expect((parse('1.0') as JsonNumber).text).toBe('1.0');
    expect((parse('-0') as JsonNumber).text).toBe('-0');
    const object = parse('{"__proto__":{"x":true},"constructor":null}') as ReadonlyMap<string, JsonValue>;
    expect([...object.keys()]).toEqual(['__proto__', 'constructor']);
    expect(Object.prototype).not.toHaveProperty('x');
  });

  it('counts nesting, open brackets only', () => {
    expect(() => parse('[[[]]]', 2)).toThrow('more than 2 nested');
    expect(plain(parse('[[],[],{"a":[]}]', 3))).toEqual([[], [], { a: [] }]);
    expect(() => parse('['.repeat(5_000_000))).toThrow('nested');
  });

  it('counts keys and values, strings inside strings not', () => {
    expect(plain(parse('{"a,:[":[1,2]}', 9, 5))).toEqual({ 'a,:[': [1, 2] });
    expect(() => parse('{"a":[1,2]}', 9, 4)).toThrow('more than 4 keys and values at byte 9');
    expect(() => parse(`[${'[],'.repeat(5_000_000)}[]]`)).toThrow('more than 1000 keys and values');
  });

  it('tells what holds too much from what is malformed', () => {
    const malformed = (text: string, maxDepth: number, maxValues: number) => {
      try {
        parse(text, maxDepth, maxValues);
      } catch (error) {
        return (error as JsonError).malformed;
      }
      return undefined;
    };
    expect(malformed('[[1]]', 1, 9)).toBe(false);
    expect(malformed('[1,2,3]', 9, 2)).toBe(false);
    // One more than the marks before them.
    expect(malformed('[1,2,3]', 9, 3)).toBe(false);
    expect(malformed('[1,2,3]', 9, 4)).toBeUndefined();
    expect(malformed('[1,2,3', 9, 9)).toBe(true);
    expect(malformed('[1,#', 9, 9)).toBe(true);
  });

  it('refuses bytes that are not UTF-8', () => {
    for (const bytes of [
      [0x22, 0xff, 0x22],
      [0x22, 0x5c, 0x80, 0x22],
      [0x22, 0xed, 0xa0, 0x80, 0x22],
      [0x22, 0xc3, 0x22],
    ])
      expect(() => parseStrictJson(new Uint8Array(bytes), { maxDepth: 9, maxValues: 9 })).toThrow(JsonError);
  });

  it('survives strings and numbers of many megabytes', () => {
    const long = 'x'.repeat(8_000_000);
    expect(parse(`"${long}"`)).toBe(long);
    expect(parse(`"${'\\n'.repeat(1_000_000)}"`)).toBe('\n'.repeat(1_000_000));
    expect((parse(`0.${'1'.repeat(4_000_000)}`) as JsonNumber).text).toHaveLength(4_000_002);
  });
});
