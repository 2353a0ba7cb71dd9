import fc from 'fast-check';
import { expect, it } from 'vitest';
import { exponentShares } from '../../src/pipeline/allocations/alpha.js';

const linears = fc.array(
  fc.record({
    size: fc.integer({ min: 1, max: 5_000_000 }),
    exponent: fc.double({ min: 1, max: 20, noNaN: true }),
  }),
  { minLength: 2, maxLength: 60 },
);

it('is linear in the exponents, from 1 − ε to 1 + ε, and means the goal', () => {
  fc.assert(
    fc.property(
      linears,
      fc.double({ min: 0.01, max: 0.9, noNaN: true }),
      fc.double({ min: 0, max: 0.9, noNaN: true }),
      (list, goal, epsilon) => {
        const sizes = list.map(({ size }) => size);
        const exponents = list.map(({ exponent }) => exponent);
        const shares = exponentShares(goal, sizes, exponents, epsilon);
        const total = sizes.reduce((sum, size) => sum + size, 0);
        const mean = shares.reduce((sum, share, i) => sum + (share * (sizes[i] as number)) / total, 0);
        expect(mean).toBeCloseTo(goal, 12);
        const [least, most] = [Math.min(...exponents), Math.max(...exponents)];
        if (least === most) return;
        const ratio = Math.max(...shares) / Math.min(...shares);
        expect(ratio).toBeCloseTo((1 + epsilon) / (1 - epsilon), 9);
        // Where the tail is heaviest least goes.
        expect(shares[exponents.indexOf(least)]).toBe(Math.min(...shares));
      },
    ),
    { numRuns: 300 },
  );
});

it('gives all the same where all exponents are', () => {
  expect(exponentShares(0.6, [1, 2], [3, 3], 0.3)).toEqual([0.6, 0.6]);
});
