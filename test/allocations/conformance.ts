/** What every allocation must satisfy, whatever its formula. @module */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Allocation, DenseLinear, Shares } from '../../src/pipeline/allocations/allocation.js';
import { allocatedPatterns, mayDiffer } from '../../src/pipeline/allocations/share-out.js';
import type { WorkerPool } from '../../src/runtime/worker-pool.js';
import { patternSparsity, zeroCount } from '../../src/sparsity/pattern.js';
import { normals } from '../support/random.js';
import { storedMatrix } from '../support/stored.js';

export interface AllocationCase {
  readonly name: string;
  readonly allocation: Omit<Allocation, 'name' | 'options'>;
  readonly options: unknown;
  /** Whether the options say what goes, and there is no goal. */
  readonly isOpen?: boolean;
}

/** Weights [rows, columns] of a linear, and the column norms of its input. */
export interface LinearData {
  readonly block: number;
  readonly shape: readonly [rows: number, columns: number];
  readonly w: Float32Array;
  readonly norms: Float32Array;
}

/** @param power of normally distributed weights: the greater it is, the heavier the tail */
export function linearData(
  block: number,
  [rows, columns]: LinearData['shape'],
  power: number,
  seed: number,
): LinearData {
  return {
    block,
    shape: [rows, columns],
    w: normals(rows * columns, seed).map((x) => x ** power * seed),
    norms: normals(columns, seed + 100).map((x) => 0.2 + Math.abs(x)),
  };
}

/** Four linears of different sizes and tails in two blocks. */
export const unlike: readonly LinearData[] = [
  linearData(0, [30, 40], 1, 1),
  linearData(0, [8, 40], 3, 2),
  linearData(1, [50, 12], 5, 3),
  linearData(1, [26, 30], 1, 4),
];

let tall: LinearData | undefined;

/** Of more than one task; made once for all allocations. */
function tallLinear(): LinearData {
  tall ??= linearData(1, [34_000, 32], 3, 9);
  return tall;
}

const zeros = (list: Float32Array) => list.map(() => 0);

/** Of files so far: workers keep those open that they have read. */
let written = 0;

/** What an allocation sees of them. @param folder where the weights go */
export function denseLinears(folder: string, list: readonly LinearData[]): DenseLinear[] {
  return list.map(({ block, shape, w, norms }, i) => ({
    name: `linear-${i}`,
    block,
    size: w.length,
    weights: storedMatrix(folder, `dense-${written++}`, w, shape),
    columnNorms: norms,
  }));
}

/** @param pools of 1 worker and of others, which are compared with it */
export function describeAllocation(
  { name, allocation, options, isOpen = false }: AllocationCase,
  pools: readonly [WorkerPool, ...WorkerPool[]],
): void {
  const folder = mkdtempSync(join(tmpdir(), 'secateur-allocation-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const goals = isOpen ? [undefined] : [0, 0.3, 0.6, 0.95];
  const share = async (
    linears: readonly DenseLinear[],
    goal: number | undefined,
    pool = pools[0],
    onStep: (done: number, total: number) => void = () => {},
  ): Promise<Shares> => await allocation.share(pool, { linears, goal, onStep }, options);
  const sharing = (linears: readonly DenseLinear[]) =>
    linears.map(({ size, weights }) => ({ size, columns: weights.shape[1] ?? 1 }));

  /** @param goal undefined where the options say what goes */
  function expectShares(linears: readonly DenseLinear[], shares: Shares, goal: number | undefined): void {
    const { sparsities, isExact } = shares;
    expect(sparsities).toHaveLength(linears.length);
    expect(sparsities.every(Number.isFinite)).toBe(true);
    if (isExact) {
      const counts = sparsities.map((sparsity, i) => sparsity * (linears[i] as DenseLinear).size);
      for (const [i, count] of counts.entries()) {
        expect(count).toBeCloseTo(Math.round(count), 6);
        expect(count).toBeGreaterThanOrEqual(0);
        expect(count).toBeLessThanOrEqual((linears[i] as DenseLinear).size);
      }
      if (goal === undefined) return;
      const wanted = linears.reduce((sum, { size }) => sum + size, 0) * goal;
      const all = Math.round(counts.reduce((sum, count) => sum + count, 0));
      expect(all).toBeLessThanOrEqual(wanted + 1e-6);
      // At most one is missing at every cut, of which there is one in each block or one alone.
      expect(all).toBeGreaterThan(wanted - new Set(linears.map(({ block }) => block)).size);
      return;
    }
    if (goal === undefined) throw new Error(`${name}: shares without a goal must be exact`);
    const pattern = { kind: 'unstructured', sparsity: goal } as const;
    const patterns = allocatedPatterns(pattern, sharing(linears), shares);
    const total = linears.reduce((sum, { size }) => sum + size, 0);
    const gone = linears.reduce(
      (sum, { size }, i) => sum + size * patternSparsity(patterns[i] ?? pattern),
      0,
    );
    expect(gone / total).toBeCloseTo(goal, 12);
    for (const own of patterns) {
      expect(patternSparsity(own)).toBeGreaterThanOrEqual(0);
      expect(patternSparsity(own)).toBeLessThanOrEqual(0.99);
    }
  }

  describe(name, () => {
    it('gives each linear a share of its own, which add up to the goal', async () => {
      for (const goal of goals) {
        const linears = denseLinears(folder, unlike);
        const steps: [number, number][] = [];
        const shares = await share(linears, goal, pools[0], (...step) => steps.push(step));
        expectShares(linears, shares, goal);
        const [, total = 0] = steps[0] ?? [];
        expect(steps).toEqual(Array.from({ length: total }, (_, done) => [done + 1, total]));
      }
    });

    it('keeps to its spread, and gives all the same N:M where that is too little to differ', async () => {
      // One whose spectrum has no tail, among others.
      for (const list of [
        unlike,
        unlike.map((each, i) => (i === 1 ? { ...each, w: zeros(each.w) } : each)),
      ]) {
        const linears = denseLinears(folder, list);
        for (const goal of goals) {
          const { sparsities } = await share(linears, goal);
          const apart = Math.max(...sparsities) - Math.min(...sparsities);
          // Counts are whole numbers of weights.
          const weight = 1 / Math.min(...linears.map(({ size }) => size));
          expect(apart).toBeLessThanOrEqual(allocation.spread(goal ?? 0, options) + weight);
        }
        for (const [keep, of] of isOpen
          ? []
          : ([
              [2, 4],
              [3, 8],
              [1, 2],
            ] as const)) {
          const pattern = { kind: 'n:m', keep, of } as const;
          const goal = patternSparsity(pattern);
          if (mayDiffer(allocation.spread(goal, options), of)) continue;
          const patterns = allocatedPatterns(pattern, sharing(linears), await share(linears, goal));
          expect(patterns).toEqual(linears.map(() => pattern));
        }
      }
    });

    it('gives blocks that are equal the same shares', async () => {
      const [first, second] = [unlike[0], unlike[1]] as [LinearData, LinearData];
      const blocks = [0, 1, 2].flatMap((block) => [first, second].map((each) => ({ ...each, block })));
      const linears = denseLinears(folder, blocks);
      const { sparsities, isExact } = await share(linears, isOpen ? undefined : 0.6);
      for (const [i, sparsity] of sparsities.entries()) {
        // Of equal scores the first go, and no two in one linear are equal.
        const tied = isExact ? 1 / (linears[i] as DenseLinear).size : 0;
        expect(Math.abs(sparsity - (sparsities[i % 2] as number))).toBeLessThanOrEqual(tied + 1e-12);
      }
    });

    if (pools.length > 1) {
      it('gives the same with any number of workers', async () => {
        const linears = denseLinears(folder, [...unlike, tallLinear()]);
        const all: Shares[] = [];
        for (const pool of pools) all.push(await share(linears, isOpen ? undefined : 0.6, pool));
        for (const other of all) expect(other).toEqual(all[0]);
      });
    }

    it('is satisfied with weights and inputs that are zero', async () => {
      const cases = [
        unlike.map((each, i) => (i === 1 ? { ...each, w: zeros(each.w) } : each)),
        unlike.map((each, i) => (i === 1 ? { ...each, norms: zeros(each.norms) } : each)),
        unlike.map((each) => ({ ...each, w: zeros(each.w) })),
        unlike.map((each) => ({ ...each, norms: zeros(each.norms) })),
      ];
      for (const list of cases) {
        for (const goal of goals) {
          const linears = denseLinears(folder, list);
          expectShares(linears, await share(linears, goal), goal);
        }
      }
    });

    it('is satisfied with one linear, which gets the goal', async () => {
      const linears = denseLinears(folder, unlike.slice(0, 1));
      for (const goal of goals) {
        const shares = await share(linears, goal);
        expectShares(linears, shares, goal);
        if (goal === undefined) continue;
        const size = linears[0]?.size ?? 0;
        const exact = zeroCount(size, goal) / size;
        expect(shares.sparsities[0]).toBeCloseTo(shares.isExact ? exact : goal, 9);
      }
    });

    it('looks at inputs only where it asks for windows', async () => {
      const linears = denseLinears(folder, unlike);
      const unmeasured = linears.map((linear) => ({ ...linear, columnNorms: undefined }));
      const goal = isOpen ? undefined : 0.6;
      if (allocation.windows(options) === 0)
        expect(await share(unmeasured, goal)).toEqual(await share(linears, goal));
      else await expect(share(unmeasured, goal)).rejects.toThrow('linear-0 was not measured');
    });
  });
}
