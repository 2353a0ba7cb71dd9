import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatBytes,
  formatCount,
  formatExactPercent,
  formatInstant,
  formatPercent,
  formatPerplexity,
  formatPerplexityWithError,
  formatRatio,
  formatScaled,
  formatSeconds,
  formatShape,
  formatSmall,
} from '../../src/report/format.js';

describe('numbers for people', () => {
  it.each([
    [formatBytes(0), '0 B'],
    [formatBytes(999), '999 B'],
    [formatBytes(1000), '1.00 kB'],
    [formatBytes(999_999), '1.00 MB'],
    [formatBytes(893_000_000), '893 MB'],
    [formatBytes(137_800_000_000), '138 GB'],
    [formatScaled(12), '12'],
    [formatScaled(134_515_008), '135 M'],
    [formatScaled(1.2e12, 'FLOP'), '1.20 TFLOP'],
    [formatCount(51314688), '51,314,688'],
    [formatSeconds(0.4), '0.40 s'],
    [formatSeconds(9.996), '10.0 s'],
    [formatSeconds(59.96), '1 min 00 s'],
    [formatSeconds(245), '4 min 05 s'],
    [formatSeconds(3599.9), '1 h 00 min'],
    [formatSeconds(7620), '2 h 07 min'],
    [formatPercent(0.5), '50.00 %'],
    [formatPercent(0.123456, 1), '12.3 %'],
    [formatExactPercent(0), '0 %'],
    [formatExactPercent(0.5), '50 %'],
    [formatExactPercent(0.07), '7 %'],
    [formatExactPercent(0.625), '62.5 %'],
    [formatExactPercent(0.63), '63 %'],
    [formatExactPercent(0.996), '99.6 %'],
    [formatExactPercent(0.99999), '99.999 %'],
    [formatPerplexity(1.23456), '1.235'],
    [formatPerplexity(20.974), '20.97'],
    [formatPerplexity(640.31), '640.3'],
    [formatPerplexity(1958.2), '1,958'],
    [formatPerplexity(310_000_000), '3.10e+8'],
    [formatPerplexityWithError(20.974, 0.831), '20.97 ± 0.83'],
    [formatPerplexityWithError(640.31, 22.14), '640.3 ± 22.1'],
    [formatPerplexityWithError(20.974, null), '20.97'],
    [formatPerplexityWithError(310_000_000, null), '3.10e+8'],
    [formatRatio(1.985), '×1.99'],
    [formatRatio(93.38), '×93.4'],
    [formatSmall(0), '0'],
    [formatSmall(0.1), '0.100'],
    [formatSmall(0.0000456), '4.56e-5'],
    [formatSmall(1234.4), '1234'],
    [formatShape([576, 1536]), '576 × 1536'],
    [formatShape([]), 'scalar'],
    [formatInstant('2026-05-04T09:12:33.120Z'), '2026-05-04 09:12 UTC'],
  ])('%s', (written, expected) => expect(written).toBe(expected));

  it('writes a percentage as the fraction with its point moved', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 999_999 }), (millionths) => {
        const digits = String(millionths).padStart(6, '0');
        const fraction = digits.slice(2).replace(/0+$/, '');
        const expected = `${Number(digits.slice(0, 2))}${fraction && `.${fraction}`} %`;
        expect(formatExactPercent(Number(`0.${digits}`))).toBe(expected);
      }),
    );
  });

  it('never writes a duration with sixty seconds or minutes', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e6, noNaN: true }), (seconds) => {
        expect(formatSeconds(seconds)).not.toMatch(/\b60(\.0+)? (s|min)/);
      }),
    );
  });

  it('keeps bytes within half a percent', () => {
    const factors: Record<string, number> = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, PB: 1e15 };
    fc.assert(
      fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (bytes) => {
        const [number, unit] = formatBytes(bytes).split(' ') as [string, string];
        expect(Math.abs((Number(number) * (factors[unit] as number)) / bytes - 1)).toBeLessThan(0.00501);
        expect(number.length).toBeLessThanOrEqual(4);
      }),
    );
  });
});
