/** Cuts over several matrices, against sorting. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { commonCut, countsBelow } from '../../src/sparsity/find-cuts.js';
import { storedParts } from '../../src/sparsity/stored-parts.js';
import { normals } from '../support/random.js';
import { storedMatrix } from '../support/stored.js';

const pool = new WorkerPool(2);
const folder = mkdtempSync(join(tmpdir(), 'secateur-cuts-'));
afterAll(async () => {
  await pool.close();
  rmSync(folder, { recursive: true });
});

let files = 0;
function member(data: Float32Array, columns: number) {
  const weights = storedMatrix(folder, `m${files++}`, data, [data.length / columns, columns]);
  return { parts: storedParts({ name: weights.name, weights }, 'magnitude') };
}

/** How many of each matrix are among the `zeros` smallest of all, by sorting; ties by matrix, then index. */
function bySorting(matrices: readonly Float32Array[], zeros: number): number[] {
  const all = matrices.flatMap((data, matrix) => [...data].map((w) => ({ size: Math.abs(w), matrix })));
  const gone = all.sort((a, b) => a.size - b.size).slice(0, zeros);
  return matrices.map((_, index) => gone.filter(({ matrix }) => matrix === index).length);
}

const weight = fc.oneof(
  fc.constantFrom(0, 1, -1, 1 + 2 ** -23, 2 ** -149, 0.5, -0.25),
  fc.float({ noNaN: true, noDefaultInfinity: true }),
);
const matrices = fc.array(
  fc.array(weight, { minLength: 1, maxLength: 40 }).map((values) => Float32Array.from(values)),
  { minLength: 1, maxLength: 5 },
);
const total = (list: readonly Float32Array[]) => list.reduce((sum, { length }) => sum + length, 0);

describe('a common cut', () => {
  it('takes from each matrix what sorting all weights does', async () => {
    await fc.assert(
      fc.asyncProperty(matrices, fc.double({ min: 0, max: 1, noNaN: true }), async (list, share) => {
        const zeros = Math.ceil(share * total(list));
        const cut = await commonCut(
          pool,
          list.map((data) => member(data, data.length)),
          zeros,
        );
        expect(cut.members.map((each) => each.zeros)).toEqual(bySorting(list, zeros));
      }),
      { numRuns: 60 },
    );
  });

  it('leaves bounds to none, takes as many in all, and elsewhere has one threshold', async () => {
    const bounded = fc.tuple(matrices, fc.array(fc.nat(100), { minLength: 10, maxLength: 10 }), fc.nat(100));
    await fc.assert(
      fc.asyncProperty(bounded, async ([list, percents, share]) => {
        const bounds = list.map(({ length }, i) => {
          const ends = percents.slice(2 * i, 2 * i + 2).map((p) => Math.floor((p * length) / 100));
          return { least: Math.min(...ends), most: Math.max(...ends) };
        });
        const sum = (list: readonly number[]) => list.reduce((all, value) => all + value, 0);
        const [least, most] = [sum(bounds.map((b) => b.least)), sum(bounds.map((b) => b.most))];
        const zeros = least + Math.floor(((most - least) * share) / 100);
        const members = list.map((data, i) => ({ ...member(data, data.length), ...bounds[i] }));
        const cut = await commonCut(pool, members, zeros);
        expect(sum(cut.members.map((each) => each.zeros))).toBe(zeros);
        const threshold = new Float32Array(Uint32Array.of(cut.threshold).buffer)[0] as number;
        for (const [i, data] of list.entries()) {
          const { least: fewest, most: greatest } = bounds[i] as (typeof bounds)[number];
          const taken = cut.members[i]?.zeros as number;
          expect(taken).toBeGreaterThanOrEqual(fewest);
          expect(taken).toBeLessThanOrEqual(greatest);
          const below = data.filter((w) => Math.abs(w) < threshold).length;
          const upTo = data.filter((w) => Math.abs(w) <= threshold).length;
          if (taken < Math.min(below, greatest)) throw new Error('too few');
          if (taken > Math.max(upTo, fewest)) throw new Error('too many');
        }
      }),
      { numRuns: 60 },
    );
  });

  it('is the first score up to which enough go, with bounds too', async () => {
    const bits = (w: number) => new Uint32Array(Float32Array.of(Math.abs(w)).buffer)[0] as number;
    const bounded = fc.tuple(matrices, fc.array(fc.nat(100), { minLength: 10, maxLength: 10 }), fc.nat(100));
    await fc.assert(
      fc.asyncProperty(bounded, async ([list, percents, share]) => {
        const members = list.map((data, i) => {
          const ends = percents.slice(2 * i, 2 * i + 2).map((p) => Math.floor((p * data.length) / 100));
          return { ...member(data, data.length), least: Math.min(...ends), most: Math.max(...ends) };
        });
        const sum = (values: readonly number[]) => values.reduce((all, value) => all + value, 0);
        const [least, most] = [sum(members.map((m) => m.least)), sum(members.map((m) => m.most))];
        const zeros = least + Math.floor(((most - least) * share) / 100);
        const goneOf = (counts: readonly number[]) =>
          counts.map((n, i) => Math.min(members[i]?.most ?? 0, Math.max(members[i]?.least ?? 0, n)));
        const scores = list.map((data) => [...data].map(bits));
        const upTo = (score: number) => scores.map((own) => own.filter((each) => each <= score).length);
        // Each score in turn.
        const steps = [...new Set(scores.flat())].sort((a, b) => a - b);
        const threshold = steps.find((score) => sum(goneOf(upTo(score))) >= zeros) as number;
        const below = scores.map((own) => own.filter((each) => each < threshold).length);
        const expected = goneOf(below);
        for (const [i, reached] of goneOf(upTo(threshold)).entries()) {
          expected[i] = Math.min(reached, (expected[i] as number) + zeros - sum(expected));
        }
        expect(await commonCut(pool, members, zeros)).toEqual({
          threshold,
          members: below.map((each, i) => ({ below: each, zeros: expected[i] })),
        });
      }),
      { numRuns: 60 },
    );
  });

  it('goes through matrices of several tasks', async () => {
    const list = [normals(1_500_000, 1), normals(700_000, 2).map((w) => w / 2)];
    const members = list.map((data) => member(data, 1000));
    expect(members[0]?.parts.length).toBe(2);
    const cut = await commonCut(pool, members, 1_200_001);
    const all = Float32Array.from([...(list[0] ?? []), ...(list[1] ?? [])], Math.abs).sort();
    const threshold = all[1_200_000] as number;
    const expected = list.map((data) => data.filter((w) => Math.abs(w) <= threshold).length);
    expect(cut.members.map(({ zeros }) => zeros)).toEqual(expected);
    expect(await countsBelow(pool, members, cut.threshold)).toEqual(cut.members.map(({ below }) => below));
  });
});

it('counts what lies below a threshold', async () => {
  await fc.assert(
    fc.asyncProperty(matrices, weight, async (list, value) => {
      const threshold = Math.abs(value);
      const [bits = 0] = new Uint32Array(Float32Array.of(threshold).buffer);
      const members = list.map((data) => member(data, data.length));
      const below = list.map((data) => data.filter((w) => Math.abs(w) < threshold).length);
      expect(await countsBelow(pool, members, bits)).toEqual(below);
    }),
    { numRuns: 60 },
  );
});
