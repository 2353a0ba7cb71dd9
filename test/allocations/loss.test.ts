import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { equalMarginals, fitLoss, loss } from '../../src/pipeline/allocations/loss.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { storedParts } from '../../src/sparsity/stored-parts.js';
import { probeSquares } from '../../src/statistics/score-sums-task.js';
import { normals } from '../support/random.js';
import { storedMatrix } from '../support/stored.js';
import { denseLinears, type LinearData, unlike } from './conformance.js';

const pool = new WorkerPool(2);
const folder = mkdtempSync(join(tmpdir(), 'secateur-loss-'));
afterAll(async () => {
  await pool.close();
  rmSync(folder, { recursive: true });
});

const curves = fc.array(
  fc.record({
    size: fc.integer({ min: 1, max: 5_000_000 }),
    level: fc.double({ min: -12, max: 0, noNaN: true }),
    slope: fc.double({ min: 0.5, max: 20, noNaN: true }),
  }),
  { minLength: 1, maxLength: 40 },
);

describe('equal marginal losses', () => {
  it('mean the goal, keep to the bound, and are equal inside it', () => {
    fc.assert(
      fc.property(
        curves,
        fc.double({ min: 0, max: 0.95, noNaN: true }),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        (list, goal, bound) => {
          const shares = equalMarginals(goal, list, bound);
          const total = list.reduce((sum, { size }) => sum + size, 0);
          const mean = list.reduce((sum, { size }, i) => sum + ((shares[i] as number) * size) / total, 0);
          expect(mean).toBeCloseTo(goal, 9);
          const inside: number[] = [];
          for (const [i, { level, slope }] of list.entries()) {
            const s = shares[i] as number;
            expect(s).toBeGreaterThanOrEqual(Math.max(0, goal - bound) - 1e-12);
            expect(s).toBeLessThanOrEqual(Math.min(0.99, goal + bound) + 1e-12);
            if (s > goal - bound + 1e-9 && s < goal + bound - 1e-9 && s > 1e-9 && s < 0.99 - 1e-9)
              inside.push(Math.log(slope) + level + slope * s);
          }
          for (const price of inside) expect(price).toBeCloseTo(inside[0] as number, 6);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('lose less than any exchange between two linears would', () => {
    const list = [
      { size: 100, level: -6, slope: 6 },
      { size: 300, level: -5, slope: 5 },
      { size: 50, level: -4, slope: 7 },
    ];
    const lost = (shares: readonly number[]) =>
      list.reduce((sum, { size, level, slope }, i) => {
        return sum + size * Math.exp(level + slope * (shares[i] as number));
      }, 0);
    const shares = equalMarginals(0.6, list, 1);
    for (const i of [0, 1, 2]) {
      for (const j of [0, 1, 2]) {
        const moved = [...shares];
        moved[i] = (shares[i] as number) + 1 / (list[i]?.size ?? 1);
        moved[j] = (moved[j] as number) - 1 / (list[j]?.size ?? 1);
        expect(lost(moved)).toBeGreaterThanOrEqual(lost(shares));
      }
    }
  });
});

it('fits exponentials, and takes what is never lost for free', () => {
  const probes = [0.4, 0.6, 0.8];
  const fitted = fitLoss(
    probes,
    probes.map((s) => Math.exp(-5 + 6 * s)),
  );
  expect(fitted).toEqual({ level: expect.closeTo(-5, 10), slope: expect.closeTo(6, 10) });
  const free = { size: 10, ...fitLoss(probes, [0, 0, 0]) };
  const [least = 1, most = 0] = equalMarginals(0.5, [{ size: 10, ...fitted }, free], 0.2);
  expect([least, most]).toEqual([expect.closeTo(0.3, 9), expect.closeTo(0.7, 9)]);
});

it('measures the squares of what each row loses, in parts', async () => {
  const [rows, columns] = [2200, 600];
  const w = normals(rows * columns, 1);
  const norms = normals(columns, 2).map((x) => 1 + Math.abs(x));
  const probes = [0.3, 0.75];
  const weights = storedMatrix(folder, 'w', w, [rows, columns]);
  const parts = storedParts({ name: 'w', weights }, 'wanda', norms);
  expect(parts.length).toBe(2);
  const sums = await pool.map(
    'statistics/score-sums-task',
    probeSquares,
    parts.map((part) => ({ ...part, probes })),
  );
  const gone = probes.map(() => 0);
  let all = 0;
  for (let row = 0; row < rows; row++) {
    const squares = Array.from({ length: columns }, (_, j) => {
      return ((w[row * columns + j] as number) * (norms[j] as number)) ** 2;
    }).sort((a, b) => a - b);
    all += squares.reduce((sum, x) => sum + x, 0);
    for (const [i, probe] of probes.entries())
      gone[i] = (gone[i] as number) + squares.slice(0, probe * columns).reduce((sum, x) => sum + x, 0);
  }
  expect(sums.reduce((sum, part) => sum + part.all, 0) / all).toBeCloseTo(1, 6);
  for (const i of [0, 1]) {
    const measured = sums.reduce((sum, part) => sum + (part.gone[i] as number), 0);
    expect(measured / (gone[i] as number)).toBeCloseTo(1, 6);
  }
});

/** Σ of the squares that each row loses, beside that of all. */
function lostShare({ shape: [rows, columns], w, norms }: LinearData, probe: number): number {
  let [gone, all] = [0, 0];
  for (let row = 0; row < rows; row++) {
    const squares = Array.from(norms, (norm, j) => ((w[row * columns + j] as number) * norm) ** 2);
    squares.sort((a, b) => a - b);
    for (const [place, square] of squares.entries()) {
      all += square;
      if (place < Math.floor(probe * columns)) gone += square;
    }
  }
  return gone / all;
}

/** Intercept and slope of the line through the points with the least squares, by the normal equations. */
function regression(points: readonly (readonly [x: number, y: number])[]): [number, number] {
  const sum = (of: (x: number, y: number) => number) => points.reduce((total, [x, y]) => total + of(x, y), 0);
  const [n, sx, sy] = [points.length, sum((x) => x), sum((_, y) => y)];
  const slope = (n * sum((x, y) => x * y) - sx * sy) / (n * sum((x) => x * x) - sx * sx);
  return [(sy - slope * sx) / n, slope];
}

it.each([[[0.4, 0.6, 0.8]], [[0.25, 0.5]]])(
  'shares so that one more weight costs as much everywhere, by what is lost at %j',
  async (probes) => {
    const goal = 0.6;
    const curves = unlike.map((linear) =>
      regression(probes.map((probe) => [probe, Math.log(lostShare(linear, probe))] as const)),
    );
    const sizes = unlike.map(({ w }) => w.length);
    // ln slope + level + slope · s is the same number for all, and Σ size · s = goal · Σ size.
    const sum = (of: (size: number, level: number, slope: number) => number) =>
      curves.reduce((total, [level, slope], i) => total + of(sizes[i] as number, level, slope), 0);
    const price =
      (goal * sum((size) => size) + sum((size, level, slope) => (size * (Math.log(slope) + level)) / slope)) /
      sum((size, _, slope) => size / slope);
    const expected = curves.map(([level, slope]) => (price - Math.log(slope) - level) / slope);
    for (const share of expected) expect(Math.abs(share - 0.5)).toBeLessThan(0.49);
    const request = { linears: denseLinears(folder, unlike), goal, onStep: () => {} };
    const options = loss.options.parse({ probes, bound: 1 });
    const { sparsities, isExact } = await loss.share(pool, request, options);
    expect(isExact).toBe(false);
    expect(sparsities).toEqual(expected.map((share) => expect.closeTo(share, 5)));
  },
);

it('refuses probes that are the same twice, or one alone', () => {
  expect(loss.options.safeParse({ probes: [0.5, 0.5] }).success).toBe(false);
  expect(loss.options.safeParse({ probes: [0.5] }).success).toBe(false);
  expect(loss.options.safeParse({}).success).toBe(true);
});
