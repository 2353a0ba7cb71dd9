import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseBoundedJson } from '../../src/checkpoint/bounded-json.js';
import { jsonExcess } from '../../src/checkpoint/json-excess.js';
import { RequestError } from '../../src/errors.js';

const parse = (text: string, maxDepth = 64, maxValues = 10_000) =>
  parseBoundedJson(Buffer.from(text), { maxDepth, maxValues }, 'file.json');

/** Keys and values of a parsed document: what its marks are counted as, and one for the document itself. */
function countValues(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1;
  const entries = Object.entries(value);
  return entries.reduce((sum, [, inner]) => sum + countValues(inner) + (Array.isArray(value) ? 0 : 1), 1);
}

describe('parseBoundedJson', () => {
  it('agrees with JSON.parse on documents with one character changed', () => {
    const alphabet = '{}[]",:\\0123456789.-+eEtrufalsn \t\nxé\u0000';
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), fc.nat(), fc.constantFrom(...alphabet), (text, at, character) => {
        const position = at % text.length;
        for (const changed of [text, text.slice(0, position) + character + text.slice(position + 1)]) {
          let native: unknown;
          try {
            native = JSON.parse(changed);
          } catch {
            expect(() => parse(changed)).toThrow(RequestError);
            continue;
          }
          // A surrogate alone becomes U+FFFD on its way into the bytes.
          if (!/\p{Surrogate}/u.test(changed)) expect(parse(changed)).toEqual(native);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('never lets through more values than it was told, nor much fewer', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), (text) => {
        const count = countValues(JSON.parse(text));
        const excess = (maxValues: number) => jsonExcess(Buffer.from(text), { maxDepth: 64, maxValues });
        expect(excess(count)).toBeUndefined();
        if (count > 2) expect(excess(Math.floor(count / 2) - 1)?.reason).toContain('keys and values');
      }),
    );
  });

  it('refuses in few words', () => {
    expect(() => parse('['.repeat(1_000_000))).toThrow(
      'file.json: more than 64 nested arrays and objects at byte 65',
    );
    expect(() => parse(`[${'[],'.repeat(1_000_000)}[]]`)).toThrow(
      'file.json: more than 10000 keys and values',
    );
    expect(() => parse(`{"a":${'x'.repeat(1_000_000)}}`)).toThrow(
      'file.json: not valid JSON: an unexpected character at byte 6',
    );
    expect(() => parse(`["${'x'.repeat(1_000_000)}`)).toThrow(
      'file.json: not valid JSON: a string that does not end at byte 2',
    );
    expect(() =>
      parseBoundedJson(new Uint8Array([0x22, 0xff, 0x22]), { maxDepth: 1, maxValues: 1 }, 'x'),
    ).toThrow('x: not valid UTF-8');
    for (const text of [`{"${'k'.repeat(1e6)}" 1}`, '{"a":1,}', '', '1 2'])
      expect(() => parse(text)).toThrow(/^file\.json: not valid JSON: .{1,210}$/s);
  });

  it('counts the keys of each object', () => {
    const excess = (text: string) =>
      jsonExcess(Buffer.from(text), { maxDepth: 9, maxValues: 99, maxKeys: 2 });
    expect(excess('[{"a":1,"b":{"c":1,"d":1}},{"a":[1,1,1,1],"b":1}]')).toBeUndefined();
    expect(excess('[{"a":{},"b":1,"c":1}]')).toEqual({
      reason: 'an object of more than 2 keys',
      position: 18,
      malformed: false,
    });
    expect(excess(']]]]:,:,:,:')).toBeUndefined();
  });

  it('passes over a byte order mark, and counts no mark within a string', () => {
    expect(parse('\ufeff{"[[[[,,,,\\"::":["\\\\","]"]}', 2, 4)).toEqual({ '[[[[,,,,"::': ['\\', ']'] });
  });
});
