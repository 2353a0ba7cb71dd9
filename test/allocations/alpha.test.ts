import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { alpha, exponentShares } from '../../src/pipeline/allocations/alpha.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { made, spectra } from '../support/golden-spectra.js';
import { denseLinears } from './conformance.js';

const pool = new WorkerPool(2);
const folder = mkdtempSync(join(tmpdir(), 'secateur-alpha-'));
afterAll(async () => {
  await pool.close();
  rmSync(folder, { recursive: true });
});

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

it.each([
  ['block', 'peak'],
  ['block', 'middle'],
  ['linear', 'peak'],
  ['linear', 'middle'],
] as const)('shares by the exponents that PyTorch finds: of each %s, from the %s', async (average, tail) => {
  const [goal, epsilon] = [0.5, 0.4];
  const list = spectra.made.map(({ shape, exponents }, i) => ({
    block: i === 1 ? 1 : i === 3 ? 2 : 0,
    shape,
    w: made(shape),
    norms: new Float32Array(),
    exponent: exponents[tail],
  }));
  const each = list.map(({ block }, i) => {
    const own = list.filter((linear, j) => (average === 'block' ? linear.block === block : i === j));
    return own.reduce((sum, { exponent }) => sum + exponent, 0) / own.length;
  });
  const [least, most] = [Math.min(...each), Math.max(...each)];
  const wishes = each.map((exponent) => 1 - epsilon + (2 * epsilon * (exponent - least)) / (most - least));
  const weights = list.reduce((sum, { w }) => sum + w.length, 0);
  const wished = wishes.reduce((sum, wish, i) => sum + wish * (list[i]?.w.length ?? 0), 0);
  const request = { linears: denseLinears(folder, list), goal, onStep: () => {} };
  const { sparsities, isExact } = await alpha.share(pool, request, { average, tail, epsilon });
  expect(isExact).toBe(false);
  expect(sparsities).toEqual(wishes.map((wish) => expect.closeTo((wish * goal * weights) / wished, 5)));
});
