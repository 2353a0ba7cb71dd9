import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RequestError } from '../../src/errors.js';
import {
  checkPattern,
  parsePattern,
  patternName,
  patternSparsity,
  zeroCount,
} from '../../src/sparsity/pattern.js';

describe('parsePattern', () => {
  it.each([
    ['2:4', 2, 4],
    ['1:2', 1, 2],
    ['1:4', 1, 4],
    ['7:100', 7, 100],
    ['16383:16384', 16383, 16384],
  ])('reads %s as keeping %i of every %i', (text, keep, of) => {
    const pattern = parsePattern(text);
    expect(pattern).toEqual({ kind: 'n:m', keep, of });
    expect(patternName(pattern)).toBe(text);
    expect(patternSparsity(pattern)).toBe((of - keep) / of);
  });

  it.each([
    '',
    '2',
    '2:',
    ':4',
    '4:4',
    '5:4',
    '0:4',
    '-2:4',
    '2:4:8',
    ' 2:4',
    '2:4 ',
    '2 : 4',
    '2/4',
    '2.0:4',
    '1e1:20',
    '2:0',
    '1:123456',
    '２:４',
  ])('refuses %j', (text) => {
    expect(() => parsePattern(text)).toThrow(RequestError);
    expect(() => parsePattern(text)).toThrow(`pattern ${text} is not N:M`);
  });

  it('reads every N:M back by its name', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 99_999 }), fc.nat(), (of, seed) => {
        const keep = 1 + (seed % (of - 1));
        expect(parsePattern(patternName({ kind: 'n:m', keep, of }))).toEqual({ kind: 'n:m', keep, of });
      }),
    );
  });
});

it('an unstructured pattern has its sparsity and no numbers in its name', () => {
  const pattern = { kind: 'unstructured', sparsity: 0.37 } as const;
  expect(patternName(pattern)).toBe('unstructured');
  expect(patternSparsity(pattern)).toBe(0.37);
});

describe('zeroCount', () => {
  it('is ⌊n · k/100⌋ for all hundredths', () => {
    const wrong: object[] = [];
    const counts = [
      ...Array.from({ length: 1200 }, (_, n) => n),
      4096,
      11_008,
      14_336,
      4096 * 11_008,
      2 ** 31,
    ];
    for (const n of counts) {
      for (let k = 0; k < 100; k++) {
        const expected = Number((BigInt(n) * BigInt(k)) / 100n);
        if (zeroCount(n, Number(`0.${String(k).padStart(2, '0')}`)) !== expected) wrong.push({ n, k });
      }
    }
    expect(wrong).toEqual([]);
  });

  it('is exact for decimal fractions as long as 15 digits are enough', () => {
    const problem = fc.integer({ min: 1, max: 8 }).chain((digits) =>
      fc.record({
        digits: fc.constant(digits),
        numerator: fc.nat(10 ** digits - 1),
        count: fc.oneof(fc.nat(10 ** (15 - digits)), fc.nat(5000)),
      }),
    );
    fc.assert(
      fc.property(problem, ({ digits, numerator, count }) => {
        const sparsity = Number(`0.${String(numerator).padStart(digits, '0')}`);
        expect(zeroCount(count, sparsity)).toBe(
          Number((BigInt(count) * BigInt(numerator)) / 10n ** BigInt(digits)),
        );
      }),
      { numRuns: 5000 },
    );
  });

  it('stays below a whole number that is one ten-millionth away', () => {
    // 300000001 · 0.9999999 = 299999970.9999999
    expect(zeroCount(300_000_001, 0.9999999)).toBe(299_999_970);
  });

  it('gives N:M its own count', () => {
    for (let of = 2; of <= 128; of++) {
      for (let keep = 1; keep < of; keep++) {
        const sparsity = patternSparsity({ kind: 'n:m', keep, of });
        for (const groups of [1, 3, 7, 1000, 344_064]) {
          if (zeroCount(groups * of, sparsity) !== groups * (of - keep)) {
            expect.fail(`${groups} groups of ${keep}:${of}`);
          }
        }
      }
    }
  });

  it('never reaches the count, and is 0 of nothing', () => {
    expect(zeroCount(1000, 1 - 2 ** -53)).toBe(999);
    expect(zeroCount(0, 0.5)).toBe(0);
    expect(zeroCount(5, 0)).toBe(0);
    expect(zeroCount(5, 5e-324)).toBe(0);
  });

  it('grows with the count, by one at most', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat(1e9), (sparsity, count) => {
        const step = zeroCount(count + 1, sparsity) - zeroCount(count, sparsity);
        expect(step === 0 || step === 1).toBe(true);
      }),
    );
  });
});

describe('checkPattern', () => {
  it('passes sizes that M divides, and everything unstructured', () => {
    checkPattern({ kind: 'n:m', keep: 2, of: 4 }, 'w', 576);
    checkPattern({ kind: 'n:m', keep: 1, of: 3 }, 'w', 3);
    checkPattern({ kind: 'unstructured', sparsity: 0.5 }, 'w', 577);
  });

  it.each([
    [2, 4, 578],
    [1, 3, 4],
    [5, 7, 576],
    [2, 1024, 576],
  ])('refuses %i:%i for %i inputs, with all of it in the message', (keep, of, inputs) => {
    const check = () => checkPattern({ kind: 'n:m', keep, of }, 'model.layers.3.mlp.up_proj', inputs);
    expect(check).toThrow(RequestError);
    for (const part of ['model.layers.3.mlp.up_proj', `${keep}:${of}`, String(inputs)])
      expect(check).toThrow(part);
  });
});
