/** Against NumPy: `scripts/golden/make-spectrum-golden.py`. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exponentShares } from '../../src/pipeline/allocations/alpha.js';
import { powerLawExponent, type TailStart } from '../../src/statistics/power-law-exponent.js';

interface Law {
  count: number;
  alpha: number;
  bulk: number;
  exponents: Record<TailStart, number>;
}
const { laws }: { laws: Law[] } = JSON.parse(
  readFileSync(new URL('../golden/spectra.json', import.meta.url), 'utf8'),
);
const starts = ['peak', 'middle'] as const;

/** Quantiles of a power law from 1 on, below them bulk numbers from 0.05 to 1. */
function pareto(count: number, alpha: number, bulk: number): Float64Array {
  return Float64Array.from({ length: bulk + count }, (_, i) =>
    i < bulk ? 0.05 + (0.95 * i) / bulk : (1 - (i - bulk + 0.5) / count) ** (-1 / (alpha - 1)),
  );
}

/** Zeros, few values so that some are equal, and any others. */
const spectrum = fc
  .array(
    fc.oneof(
      fc.constant(0),
      fc.integer({ min: 1, max: 4 }),
      fc.double({ min: 1e-9, max: 1e4, noNaN: true }),
      fc.double({ min: 0.5, max: 2, noNaN: true }),
    ),
    { minLength: 1, maxLength: 80 },
  )
  .map((list) => Float64Array.from(list).sort());

describe('the exponent of a power law', () => {
  it.each(laws)('is that which NumPy finds of $count above $bulk', ({ count, alpha, bulk, exponents }) => {
    for (const start of starts)
      expect(powerLawExponent(pareto(count, alpha, bulk), start)).toBeCloseTo(exponents[start], 9);
  });

  it("is found where eigenvalues follow Pareto's law", () => {
    for (const start of starts) expect(powerLawExponent(pareto(2_000, 3.5, 0), start)).toBeCloseTo(3.5, 1);
  });

  it('is found from the peak where the law begins above the middle', () => {
    const eigenvalues = pareto(500, 4, 1_500);
    expect(powerLawExponent(eigenvalues, 'peak')).toBeCloseTo(4, 1);
    expect(powerLawExponent(eigenvalues, 'middle')).toBeLessThan(3.5);
  });

  it.each(starts)('of the tail from the %s lies from 1 to 1e6, whatever the spectrum', (start) => {
    fc.assert(
      fc.property(spectrum, (eigenvalues) => {
        const exponent = powerLawExponent(eigenvalues, start);
        expect(exponent).toBeGreaterThan(1);
        expect(exponent).toBeLessThanOrEqual(1e6);
      }),
      { numRuns: 300 },
    );
  });

  it.each(starts)("doesn't change with the scale of the weights, from the %s", (start) => {
    fc.assert(
      // Powers of two, so that no value moves to another bin by rounding alone.
      fc.property(spectrum, fc.integer({ min: -20, max: 20 }), (eigenvalues, power) => {
        const scaled = eigenvalues.map((value) => value * 2 ** power);
        const ratio = powerLawExponent(scaled, start) / powerLawExponent(eigenvalues, start);
        expect(ratio).toBeCloseTo(1, 6);
      }),
      { numRuns: 300 },
    );
  });

  it('from the peak looks at no zeros', () => {
    fc.assert(
      fc.property(spectrum, fc.integer({ min: 1, max: 100 }), (eigenvalues, zeros) => {
        const more = Float64Array.from([...new Float64Array(zeros), ...eigenvalues]);
        expect(powerLawExponent(more, 'peak')).toBe(powerLawExponent(eigenvalues, 'peak'));
      }),
      { numRuns: 100 },
    );
  });

  it.each(starts)('of no tail is 1e6: one eigenvalue, all equal, all zero, none, from the %s', (start) => {
    for (const list of [[3], [2, 2], [7, 7, 7, 7, 7], [0], [0, 0, 0], []])
      expect(powerLawExponent(Float64Array.from(list), start)).toBe(1e6);
  });

  it('of two is that of one step, and where most are the largest there is none from the peak', () => {
    expect(powerLawExponent(Float64Array.of(1, Math.E), 'peak')).toBeCloseTo(3, 12);
    // The larger half is one.
    expect(powerLawExponent(Float64Array.of(1, Math.E), 'middle')).toBe(1e6);
    expect(powerLawExponent(Float64Array.of(1, 2, 2, 2), 'peak')).toBe(1e6);
    // A tail has all that equal its least.
    expect(powerLawExponent(Float64Array.of(1, 1, 1, Math.E), 'peak')).toBeCloseTo(5, 12);
  });

  it.each(starts)('from the %s gives sparsities that mean the goal', (start) => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ size: fc.integer({ min: 1, max: 5_000_000 }), eigenvalues: spectrum }), {
          minLength: 1,
          maxLength: 12,
        }),
        fc.double({ min: 0.01, max: 0.7, noNaN: true }),
        (linears, goal) => {
          const sizes = linears.map(({ size }) => size);
          const exponents = linears.map(({ eigenvalues }) => powerLawExponent(eigenvalues, start));
          const shares = exponentShares(goal, sizes, exponents, 0.3);
          const total = sizes.reduce((sum, size) => sum + size, 0);
          const mean = shares.reduce((sum, share, i) => sum + (share * (sizes[i] as number)) / total, 0);
          expect(mean).toBeCloseTo(goal, 12);
          expect(Math.min(...shares)).toBeGreaterThan(0);
        },
      ),
      { numRuns: 100 },
    );
  });
});
