/** What every solver must satisfy, whatever its formula. @module */
import { describe, expect, it } from 'vitest';
import type { WorkerPool } from '../../src/runtime/worker-pool.js';
import { magnitude } from '../../src/scores/magnitude.js';
import type { Score } from '../../src/scores/score.js';
import { wanda } from '../../src/scores/wanda.js';
import type { SolvableMatrix, SolveOutcome } from '../../src/solvers/solvable.js';
import type { Pattern } from '../../src/sparsity/pattern.js';
import { pruneByScore } from '../../src/sparsity/prune-by-score.js';
import type { GramRef } from '../../src/statistics/group-statistics.js';
import { float32View } from '../../src/system/native-memory.js';
import { expectSameBits } from '../support/expect-same-bits.js';
import { nativeGram, nativeTensor } from '../support/native.js';
import { correlatedActivations, normals } from '../support/random.js';

export interface Problem {
  readonly rows: number;
  readonly columns: number;
  readonly tokens: number;
  readonly x: Float32Array;
  readonly w: Float32Array;
}

export function problem(rows: number, columns: number, seed = 1): Problem {
  const tokens = 3 * columns;
  return {
    rows,
    columns,
    tokens,
    x: correlatedActivations(tokens, columns, seed),
    w: normals(rows * columns, seed + 1),
  };
}

/** With so many tenths of the weights zero, and inputs in pairs that hardly differ, so that weights would move to the zeros. */
function withZeros(given: Problem, tenths: number): Problem {
  const w = given.w.map((value, i) => ((i * 7919) % 10 < tenths ? 0 : value));
  const x = given.x.map((value, i) =>
    (i % given.columns) % 2 === 1 ? (given.x[i - 1] as number) + 0.1 * value : value,
  );
  return { ...given, w, x };
}

export interface Solver {
  readonly name: string;
  solve(
    pool: WorkerPool,
    gram: GramRef,
    matrices: readonly SolvableMatrix[],
    oneLinear: boolean,
  ): Promise<Map<string, SolveOutcome>>;
  /** What is added to the diagonal of (2/tokens)·XᵀX, [columns]. */
  ridge(diagonal: Float64Array): Float64Array;
  /** Whether a sparsity is that of every row. */
  readonly inRows?: boolean;
}

/** `damping` times the mean of the diagonal. */
export function meanRidge(diagonal: Float64Array, damping: number): Float64Array {
  const mean = diagonal.reduce((sum, value) => sum + value, 0) / diagonal.length;
  return diagonal.map(() => damping * mean);
}

/** The diagonal of (2/tokens)·XᵀX. */
export function diagonalOf({ columns, tokens, x }: Problem): Float64Array {
  const diagonal = new Float64Array(columns);
  for (const [i, value] of x.entries()) {
    const j = i % columns;
    diagonal[j] = (diagonal[j] as number) + (2 / tokens) * value * value;
  }
  return diagonal;
}

/** tr(ΔAΔᵀ) with A = scale·XᵀX + diag(ridge), in f64. */
export function quadratic(
  { rows, columns, tokens, x, w }: Problem,
  pruned: Float32Array,
  scale: number,
  ridge: Float64Array = new Float64Array(columns),
): number {
  let total = 0;
  for (let r = 0; r < rows; r++) {
    const delta = Float64Array.from(
      { length: columns },
      (_, j) => (w[r * columns + j] as number) - (pruned[r * columns + j] as number),
    );
    for (let t = 0; t < tokens; t++) {
      let y = 0;
      for (let j = 0; j < columns; j++) y += (x[t * columns + j] as number) * (delta[j] as number);
      total += scale * y * y;
    }
    for (const [j, d] of delta.entries()) total += (ridge[j] as number) * d * d;
  }
  return total;
}

export async function solved(
  { solve }: Solver,
  { rows, columns, tokens, x, w }: Problem,
  pattern: Pattern,
  pool: WorkerPool,
  keepZeros = false,
): Promise<{ outcome: SolveOutcome; pruned: Float32Array }> {
  const weights = nativeTensor(w, [rows, columns]);
  const gram = nativeGram(x, tokens, columns);
  const outcome = (await solve(pool, gram, [{ name: 'w', weights, pattern, keepZeros }], false)).get('w');
  if (!outcome) throw new Error('no outcome');
  return { outcome, pruned: float32View(weights.address, w.length).slice() };
}

export async function scoreError(
  given: Problem,
  pattern: Pattern,
  pool: WorkerPool,
  score: Score = wanda,
): Promise<number> {
  const { rows, columns, w } = given;
  const weights = nativeTensor(w, [rows, columns]);
  const columnNorms = Float32Array.from(diagonalOf(given), Math.sqrt);
  await pruneByScore(pool, score, { name: 'w', weights, columnNorms, pattern });
  return quadratic(given, float32View(weights.address, w.length), 1);
}

const zerosOf = (data: Float32Array) =>
  data.reduce((count, value) => count + (Object.is(value, 0) ? 1 : 0), 0);

export function describeSolver(solver: Solver, pools: readonly [WorkerPool, ...WorkerPool[]]): void {
  const [pool] = pools;
  describe(solver.name, () => {
    it.each<[number, number, Pattern]>([
      [40, 96, { kind: 'unstructured', sparsity: 0.5 }],
      [33, 200, { kind: 'unstructured', sparsity: 0.61 }],
      [600, 140, { kind: 'unstructured', sparsity: 0.37 }],
      [1, 30, { kind: 'unstructured', sparsity: 0.9 }],
      [21, 64, { kind: 'n:m', keep: 2, of: 4 }],
      [530, 60, { kind: 'n:m', keep: 1, of: 3 }],
      [16, 180, { kind: 'n:m', keep: 4, of: 9 }],
      [16, 300, { kind: 'n:m', keep: 70, of: 150 }],
    ])(
      '%i×%i %o: exact counts, valid groups, and the predicted loss is ½·tr(ΔHΔᵀ)',
      async (rows, columns, pattern) => {
        const given = problem(rows, columns);
        const { outcome, pruned } = await solved(solver, given, pattern, pool);
        if (pattern.kind === 'unstructured') {
          const size = solver.inRows ? columns : rows * columns;
          for (let start = 0; start < pruned.length; start += size) {
            expect(zerosOf(pruned.subarray(start, start + size))).toBe(Math.floor(size * pattern.sparsity));
          }
        } else {
          for (let start = 0; start < pruned.length; start += pattern.of) {
            expect(zerosOf(pruned.subarray(start, start + pattern.of))).toBe(pattern.of - pattern.keep);
          }
        }
        const ridge = solver.ridge(diagonalOf(given));
        const loss = quadratic(given, pruned, 2 / given.tokens, ridge) / 2;
        expect(outcome.predictedLoss / loss).toBeCloseTo(1, 3);
      },
    );

    it.each<Pattern>([
      { kind: 'unstructured', sparsity: 0.5 },
      { kind: 'n:m', keep: 2, of: 4 },
    ])(
      '%o: its output error is below Wanda, and Wanda below magnitude, on correlated inputs',
      async (pattern) => {
        const given = problem(64, 160, 7);
        const error = quadratic(given, (await solved(solver, given, pattern, pool)).pruned, 1);
        const byWanda = await scoreError(given, pattern, pool);
        expect(error).toBeLessThan(byWanda);
        expect(byWanda).toBeLessThan(await scoreError(given, pattern, pool, magnitude));
      },
    );

    it('gives the same bytes with 1, 2 and 3 workers, one linear after the other or all at once', async () => {
      const given = problem(520, 60, 5);
      for (const pattern of [
        { kind: 'unstructured', sparsity: 0.5 },
        { kind: 'n:m', keep: 2, of: 5 },
      ] as const) {
        const [first, ...others] = await Promise.all(
          pools.map(async (each) => (await solved(solver, given, pattern, each)).pruned),
        );
        for (const other of others) expectSameBits(other, first as Float32Array);
        const { rows, columns, tokens, x, w } = given;
        const gram = nativeGram(x, tokens, columns);
        for (const oneLinear of [true, false]) {
          const matrices = ['a', 'b'].map((name) => ({
            name,
            weights: nativeTensor(w, [rows, columns]),
            pattern,
          }));
          await solver.solve(pool, gram, matrices, oneLinear);
          for (const { weights } of matrices)
            expectSameBits(float32View(weights.address, w.length), first as Float32Array);
        }
      }
    });

    it('removes the weights of dead inputs first', async () => {
      const given = problem(20, 48, 9);
      for (let t = 0; t < given.tokens; t++) given.x[t * 48 + 17] = 0;
      const { pruned } = await solved(solver, given, { kind: 'unstructured', sparsity: 0.5 }, pool);
      for (let r = 0; r < 20; r++) expect(pruned[r * 48 + 17]).toBe(0);
    });

    it('removes as many weights where more inputs are dead, and leaves the rest of theirs as they were', async () => {
      const given = problem(20, 48, 9);
      for (let t = 0; t < given.tokens; t++) given.x.fill(0, t * 48, t * 48 + 40);
      for (const [pattern, zeros] of [
        [{ kind: 'unstructured', sparsity: 0.5 }, 480],
        [{ kind: 'n:m', keep: 2, of: 4 }, 480],
        [{ kind: 'unstructured', sparsity: 0 }, 0],
      ] as const) {
        const { pruned } = await solved(solver, given, pattern, pool);
        expect(zerosOf(pruned)).toBe(zeros);
        for (let i = 0; i < pruned.length; i++)
          if (i % 48 < 40 && pruned[i] !== 0) expect(pruned[i]).toBeCloseTo(given.w[i] as number, 2);
      }
    });

    it('prunes where no input ever was anything but zero', async () => {
      const given = { ...problem(8, 24, 3), x: new Float32Array(72 * 24) };
      for (const pattern of [
        { kind: 'unstructured', sparsity: 0.5 },
        { kind: 'n:m', keep: 2, of: 4 },
      ] as const) {
        const { pruned } = await solved(solver, given, pattern, pool);
        expect(zerosOf(pruned)).toBe(96);
        expect(pruned.every(Number.isFinite)).toBe(true);
      }
    });

    it('is finite where all inputs are the same, and where all weights are', async () => {
      for (const pattern of [
        { kind: 'unstructured', sparsity: 0.5 },
        { kind: 'n:m', keep: 2, of: 4 },
      ] as const) {
        const same = { ...problem(6, 24, 4), x: new Float32Array(72 * 24).fill(1.5) };
        const flat = { ...problem(6, 24, 4), w: new Float32Array(6 * 24).fill(-0.5) };
        for (const given of [same, flat]) {
          const { pruned } = await solved(solver, given, pattern, pool);
          expect(pruned.every(Number.isFinite)).toBe(true);
          expect(zerosOf(pruned)).toBeGreaterThanOrEqual(72);
        }
      }
    });

    it.each<[number, number, Pattern]>([
      [24, 96, { kind: 'unstructured', sparsity: 0.5 }],
      [520, 24, { kind: 'unstructured', sparsity: 0.47 }],
      [21, 64, { kind: 'n:m', keep: 2, of: 4 }],
      [520, 24, { kind: 'n:m', keep: 1, of: 3 }],
    ])(
      '%i×%i %o where zeros stay: no more go than have to, and the predicted loss is ½·tr(ΔHΔᵀ)',
      async (rows, columns, pattern) => {
        const given = withZeros(problem(rows, columns), 4);
        const { outcome, pruned } = await solved(solver, given, pattern, pool, true);
        const byOthers = await solved(solver, given, pattern, pools.at(-1) ?? pool, true);
        expectSameBits(byOthers.pruned, pruned);
        expect(pruned.filter((value, i) => given.w[i] === 0 && value !== 0)).toHaveLength(0);
        const isGrouped = pattern.kind === 'n:m';
        const size = isGrouped ? pattern.of : solver.inRows ? columns : rows * columns;
        const lost = isGrouped ? pattern.of - pattern.keep : Math.floor(size * pattern.sparsity);
        for (let start = 0; start < pruned.length; start += size) {
          const [before, after] = [given.w, pruned].map((data) =>
            zerosOf(data.subarray(start, start + size)),
          );
          expect(after).toBe(Math.max(before as number, lost));
        }
        const loss = quadratic(given, pruned, 2 / given.tokens, solver.ridge(diagonalOf(given))) / 2;
        expect(outcome.predictedLoss / loss).toBeCloseTo(1, 3);
      },
    );

    it.each<[Pattern, Score]>([
      // What goes of a block of columns is another share than that of Wanda.
      [{ kind: 'unstructured', sparsity: 0.5 }, magnitude],
      [{ kind: 'n:m', keep: 2, of: 4 }, wanda],
    ])(
      '%o where zeros stay: its output error is below that of a score that takes them first',
      async (pattern, score) => {
        const given = withZeros(problem(32, 96, 7), 3);
        const { pruned } = await solved(solver, given, pattern, pool, true);
        expect(quadratic(given, pruned, 1)).toBeLessThan(await scoreError(given, pattern, pool, score));
      },
    );

    it('keeps all weights where more zeros stay than have to go', async () => {
      const given = withZeros(problem(12, 96, 6), 6);
      const pattern = { kind: 'unstructured', sparsity: 0.5 } as const;
      const { outcome, pruned } = await solved(solver, given, pattern, pool, true);
      expect(pruned).toEqual(given.w);
      expect(outcome.predictedLoss).toBe(0);
    });

    it('keeps everything at sparsity 0', async () => {
      const given = problem(8, 40, 2);
      const { outcome, pruned } = await solved(solver, given, { kind: 'unstructured', sparsity: 0 }, pool);
      expect(pruned).toEqual(given.w);
      expect(outcome.predictedLoss).toBe(0);
    });
  });
}
