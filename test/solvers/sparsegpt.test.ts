import { afterAll, describe, expect, it } from 'vitest';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { magnitude } from '../../src/scores/magnitude.js';
import { wanda } from '../../src/scores/wanda.js';
import { sparseGpt } from '../../src/solvers/sparsegpt.js';
import type { Pattern } from '../../src/sparsity/pattern.js';
import { pruneByScore } from '../../src/sparsity/prune-by-score.js';
import { float32View } from '../../src/system/native-memory.js';
import { nativeGram, nativeTensor } from '../support/native.js';
import { correlatedActivations, normals } from '../support/random.js';

const pools = [1, 2, 3].map((size) => new WorkerPool(size));
const [pool] = pools as [WorkerPool];
afterAll(() => Promise.all(pools.map((each) => each.close())));

const options = { damping: 0.01, block_size: 128 };

interface Problem {
  readonly rows: number;
  readonly columns: number;
  readonly tokens: number;
  readonly x: Float32Array;
  readonly w: Float32Array;
}

function problem(rows: number, columns: number, seed = 1): Problem {
  const tokens = 3 * columns;
  return {
    rows,
    columns,
    tokens,
    x: correlatedActivations(tokens, columns, seed),
    w: normals(rows * columns, seed + 1),
  };
}

async function solve({ rows, columns, tokens, x, w }: Problem, pattern: Pattern, on = pool, with_ = options) {
  const weights = nativeTensor(w, [rows, columns]);
  const gram = nativeGram(x, tokens, columns);
  const outcome = (await sparseGpt(on, 'test', gram, [{ name: 'w', weights, pattern }], with_)).get('w');
  if (!outcome) throw new Error('no outcome');
  return { outcome, pruned: float32View(weights.address, w.length).slice() };
}

/** tr(ΔAΔᵀ) with A = scale·XᵀX + ridge·I, in f64. */
function quadratic(
  { rows, columns, tokens, x, w }: Problem,
  pruned: Float32Array,
  scale: number,
  ridge: number,
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
    for (const d of delta) total += ridge * d * d;
  }
  return total;
}

function meanDiagonal({ columns, tokens, x }: Problem): number {
  return (x.reduce((sum, value) => sum + value * value, 0) * 2) / tokens / columns;
}

const zerosOf = (data: Float32Array) =>
  data.reduce((count, value) => count + (Object.is(value, 0) ? 1 : 0), 0);

describe('SparseGPT', () => {
  it.each<[number, number, Pattern]>([
    [40, 96, { kind: 'unstructured', sparsity: 0.5 }],
    [33, 200, { kind: 'unstructured', sparsity: 0.61 }],
    [600, 140, { kind: 'unstructured', sparsity: 0.37 }],
    [21, 64, { kind: 'n:m', keep: 2, of: 4 }],
    [530, 60, { kind: 'n:m', keep: 1, of: 3 }],
    [16, 180, { kind: 'n:m', keep: 4, of: 9 }],
    [16, 300, { kind: 'n:m', keep: 70, of: 150 }],
  ])(
    '%i×%i %o: exact counts, valid groups, and the accumulated loss is ½·tr(ΔHΔᵀ)',
    async (rows, columns, pattern) => {
      const given = problem(rows, columns);
      const { outcome, pruned } = await solve(given, pattern);
      if (pattern.kind === 'unstructured') {
        expect(zerosOf(pruned)).toBe(Math.floor(rows * columns * pattern.sparsity));
      } else {
        for (let start = 0; start < pruned.length; start += pattern.of) {
          expect(zerosOf(pruned.subarray(start, start + pattern.of))).toBe(pattern.of - pattern.keep);
        }
      }
      const ridge = options.damping * meanDiagonal(given);
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
      const { rows, columns, x, w } = given;
      const norms = Float32Array.from({ length: columns }, (_, j) => {
        let sum = 0;
        for (let t = 0; t < given.tokens; t++) sum += (x[t * columns + j] as number) ** 2;
        return Math.sqrt(sum);
      });
      const byScore = async (score: typeof wanda) => {
        const weights = nativeTensor(w, [rows, columns]);
        await pruneByScore(pool, score, { name: 'w', weights, columnNorms: norms, pattern });
        return quadratic(given, float32View(weights.address, w.length).slice(), 1, 0);
      };
      const solved = quadratic(given, (await solve(given, pattern)).pruned, 1, 0);
      const [wandaError, magnitudeError] = [await byScore(wanda), await byScore(magnitude)];
      expect(solved).toBeLessThan(wandaError);
      expect(wandaError).toBeLessThan(magnitudeError);
    },
  );

  it('agrees with a plain right-looking implementation in f64', async () => {
    const given = problem(24, 160, 11);
    const { pruned } = await solve(given, { kind: 'n:m', keep: 2, of: 4 });
    const expected = referenceNofM(given, options.damping, 2, 4);
    let different = 0;
    for (let i = 0; i < pruned.length; i++) {
      const [a, b] = [pruned[i] as number, expected[i] as number];
      if ((a === 0) !== (b === 0)) different++;
      else expect(Math.abs(a - b)).toBeLessThan(1e-3 * Math.max(1, Math.abs(b)));
    }
    expect(different).toBeLessThanOrEqual(pruned.length * 0.001);
  });

  it('gives the same bytes with 1, 2 and 3 workers', async () => {
    const given = problem(1300, 150, 5);
    for (const pattern of [
      { kind: 'unstructured', sparsity: 0.5 },
      { kind: 'n:m', keep: 2, of: 5 },
    ] as const) {
      const results = [];
      for (const each of pools) results.push((await solve(given, pattern, each)).pruned);
      expect(results[1]).toEqual(results[0]);
      expect(results[2]).toEqual(results[0]);
    }
  });

  it('removes the weights of dead inputs', async () => {
    const given = problem(20, 48, 9);
    for (let t = 0; t < given.tokens; t++) given.x[t * 48 + 17] = 0;
    const { pruned } = await solve(given, { kind: 'unstructured', sparsity: 0.5 });
    for (let r = 0; r < 20; r++) expect(pruned[r * 48 + 17]).toBe(0);
  });

  it('keeps everything at sparsity 0', async () => {
    const given = problem(8, 40, 2);
    const { outcome, pruned } = await solve(given, { kind: 'unstructured', sparsity: 0 });
    expect(pruned).toEqual(given.w);
    expect(outcome.predictedLoss).toBe(0);
  });
});

/** Algorithm 1 of Frantar & Alistarh 2023, column by column on a dense H⁻¹ that is eliminated as it goes. */
function referenceNofM(given: Problem, damping: number, keep: number, of: number): Float64Array {
  const { rows, columns: n, tokens, x, w } = given;
  const h = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let t = 0; t < tokens; t++) sum += (x[t * n + i] as number) * (x[t * n + j] as number);
      h[i * n + j] = (2 / tokens) * sum + (i === j ? damping * meanDiagonal(given) : 0);
    }
  }
  const inverse = invert(h, n);
  const heads = new Float64Array(n);
  const directions = new Float64Array(n * n);
  for (let j = 0; j < n; j++) {
    const head = inverse[j * n + j] as number;
    heads[j] = head;
    for (let k = j; k < n; k++) directions[j * n + k] = (inverse[j * n + k] as number) / head;
    for (let a = j; a < n; a++) {
      const column = inverse[a * n + j] as number;
      for (let b = j; b < n; b++) {
        inverse[a * n + b] = (inverse[a * n + b] as number) - column * (directions[j * n + b] as number);
      }
    }
  }
  const result = Float64Array.from(w);
  for (let r = 0; r < rows; r++) {
    const row = result.subarray(r * n, (r + 1) * n);
    let pruned: number[] = [];
    for (let j = 0; j < n; j++) {
      if (j % of === 0) {
        const order = Array.from({ length: of }, (_, k) => j + k);
        order.sort(
          (a, b) =>
            (row[a] as number) ** 2 / (heads[a] as number) - (row[b] as number) ** 2 / (heads[b] as number),
        );
        pruned = order.slice(0, of - keep);
      }
      if (!pruned.includes(j)) continue;
      const error = row[j] as number;
      for (let k = j; k < n; k++) row[k] = (row[k] as number) - error * (directions[j * n + k] as number);
      row[j] = 0;
    }
  }
  return result;
}

function invert(matrix: Float64Array, n: number): Float64Array {
  const a = Float64Array.from(matrix);
  const b = new Float64Array(n * n);
  for (let i = 0; i < n; i++) b[i * n + i] = 1;
  for (let p = 0; p < n; p++) {
    const pivot = a[p * n + p] as number;
    for (let c = 0; c < n; c++) {
      a[p * n + c] = (a[p * n + c] as number) / pivot;
      b[p * n + c] = (b[p * n + c] as number) / pivot;
    }
    for (let r = 0; r < n; r++) {
      if (r === p) continue;
      const factor = a[r * n + p] as number;
      for (let c = 0; c < n; c++) {
        a[r * n + c] = (a[r * n + c] as number) - factor * (a[p * n + c] as number);
        b[r * n + c] = (b[r * n + c] as number) - factor * (b[p * n + c] as number);
      }
    }
  }
  return b;
}
