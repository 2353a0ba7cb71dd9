import fc from 'fast-check';
import { expect, it } from 'vitest';
import { textOverlap } from '../../src/calibration/overlap.js';

const tokens = fc.array(fc.nat({ max: 2 }), { maxLength: 60 }).map((list) => Int32Array.from(list));

it('is the fraction of n-grams that a set of strings finds', () => {
  fc.assert(
    fc.property(tokens, tokens, fc.integer({ min: 1, max: 6 }), (calibration, evaluation, n) => {
      const grams = (list: Int32Array) =>
        Array.from({ length: Math.max(0, list.length - n + 1) }, (_, i) => list.subarray(i, i + n).join());
      const known = new Set(grams(calibration));
      const all = grams(evaluation);
      const expected = all.length === 0 ? 0 : all.filter((gram) => known.has(gram)).length / all.length;
      expect(textOverlap(calibration, evaluation, n)).toBe(expected);
    }),
    { numRuns: 500 },
  );
});

it('counts thirteen tokens unless told otherwise', () => {
  const text = Int32Array.from({ length: 40 }, (_, i) => i);
  expect(textOverlap(text, text)).toBe(1);
  expect(textOverlap(text, text.subarray(5, 18))).toBe(1);
  expect(textOverlap(text, text.subarray(5, 17))).toBe(0);
  expect(textOverlap(text.subarray(0, 20), text)).toBe(8 / 28);
  expect(textOverlap(new Int32Array(0), text)).toBe(0);
});

it('is quick for as many tokens as a run has', () => {
  const random = Int32Array.from({ length: 262_144 }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 16);
  const started = performance.now();
  expect(textOverlap(random, random)).toBe(1);
  expect(textOverlap(new Int32Array(262_144), new Int32Array(262_144))).toBe(1);
  expect(performance.now() - started).toBeLessThan(3000);
});
