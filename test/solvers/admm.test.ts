/** ALPS and ADMM, and the fits that follow the mask of another method. */
import { afterAll, describe, expect, it } from 'vitest';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { wanda } from '../../src/scores/wanda.js';
import { admm, admmUpdate } from '../../src/solvers/admm.js';
import { alps } from '../../src/solvers/alps.js';
import { refitSurvivors } from '../../src/solvers/least-squares.js';
import { sparseGpt } from '../../src/solvers/sparsegpt.js';
import type { Pattern } from '../../src/sparsity/pattern.js';
import { pruneByScore } from '../../src/sparsity/prune-by-score.js';
import { float32View } from '../../src/system/native-memory.js';
import { nativeGram, nativeTensor } from '../support/native.js';
import {
  describeSolver,
  diagonalOf,
  meanRidge,
  type Problem,
  problem,
  quadratic,
  type Solver,
  scoreError,
  solved,
} from './conformance.js';

const pools = [new WorkerPool(1), new WorkerPool(2), new WorkerPool(3)] as const;
const [pool] = pools;
afterAll(() => Promise.all(pools.map((each) => each.close())));

const alpsOptions = { damping: 0.01, rho: 0.1, iterations: 300, refit_iterations: 10 };
const alpsSolver: Solver = {
  name: 'ALPS',
  solve: (workers, gram, matrices, oneLinear) => alps(workers, gram, matrices, alpsOptions, oneLinear),
  ridge: (diagonal) => meanRidge(diagonal, 0.01),
};
const admmOptions = { damping: 0.1, iterations: 20, gradual: 15 };
const admmSolver: Solver = {
  name: 'ADMM',
  solve: (workers, gram, matrices, oneLinear) => admm(workers, gram, matrices, admmOptions, oneLinear),
  ridge: (diagonal) => diagonal.map((value) => 0.1 * value),
};

describeSolver(alpsSolver, pools);
describeSolver(admmSolver, pools);

const patterns: Pattern[] = [
  { kind: 'unstructured', sparsity: 0.6 },
  { kind: 'n:m', keep: 2, of: 4 },
];

it.each(patterns)('%o: ALPS is better than SparseGPT', async (pattern) => {
  const given = problem(64, 160, 7);
  const bySparseGpt: Solver = {
    ...alpsSolver,
    solve: (workers, gram, matrices) =>
      sparseGpt(workers, 'test', gram, matrices, { damping: 0.01, block_size: 128 }),
  };
  const errors = [];
  for (const solver of [alpsSolver, bySparseGpt]) {
    errors.push(quadratic(given, (await solved(solver, given, pattern, pool)).pruned, 1));
  }
  expect(errors[0]).toBeLessThan(errors[1] as number);
});

/** The weights after Wanda and an update. */
async function updated(given: Problem, pattern: Pattern, update: typeof refitSurvivors, damping: number) {
  const { rows, columns, tokens, x, w } = given;
  const weights = nativeTensor(w, [rows, columns]);
  const columnNorms = Float32Array.from(diagonalOf(given), Math.sqrt);
  await pruneByScore(pool, wanda, { name: 'w', weights, columnNorms, pattern });
  const mask = float32View(weights.address, w.length).map((value) => (value === 0 ? 0 : 1));
  const loadDense = async (address: bigint) => float32View(address, w.length).set(w);
  const gram = nativeGram(x, tokens, columns);
  const outcome = await update(pool, gram, [{ name: 'w', weights, loadDense }], { damping, iterations: 200 });
  return { mask, fitted: float32View(weights.address, w.length).slice(), outcome: outcome.get('w') };
}

/** Of few rows, and of so many that fits make several tasks of them. */
const sizes = [
  [12, 64],
  [1100, 24],
] as const;

describe.each(patterns)('after Wanda at %o', (pattern) => {
  it.each(sizes)(
    '%i×%i: least squares keeps the mask, and its gradient vanishes on the survivors',
    async (rows, columns) => {
      const given = problem(rows, columns, 3);
      const { tokens, x, w } = given;
      const damping = 0.01;
      const { mask, fitted, outcome } = await updated(given, pattern, refitSurvivors, damping);
      expect(fitted.map((value) => (value === 0 ? 0 : 1))).toEqual(mask);
      const ridge = meanRidge(diagonalOf(given), damping);
      let [gradient, scale] = [0, 0];
      for (let r = 0; r < rows; r++) {
        for (let j = 0; j < columns; j++) {
          if (mask[r * columns + j] === 0) continue;
          let [own, size] = [0, 0];
          for (let k = 0; k < columns; k++) {
            let h = k === j ? (ridge[j] as number) : 0;
            for (let t = 0; t < tokens; t++) {
              h += (2 / tokens) * (x[t * columns + j] as number) * (x[t * columns + k] as number);
            }
            own += h * ((w[r * columns + k] as number) - (fitted[r * columns + k] as number));
            size += Math.abs(h * (w[r * columns + k] as number));
          }
          gradient = Math.max(gradient, Math.abs(own));
          scale = Math.max(scale, size);
        }
      }
      expect(gradient / scale).toBeLessThan(1e-4);
      const loss = quadratic(given, fitted, 2 / tokens, ridge) / 2;
      expect((outcome?.predictedLoss ?? 0) / loss).toBeCloseTo(1, 4);
    },
  );

  it('least squares is never worse than the start, also without the damping', async () => {
    for (const seed of [1, 2, 3]) {
      const given = problem(10, 48, seed);
      const { fitted } = await updated(given, pattern, refitSurvivors, 0.01);
      expect(quadratic(given, fitted, 1)).toBeLessThanOrEqual(await scoreError(given, pattern, pool));
    }
  });

  it.each(sizes)('%i×%i: ADMM keeps the mask and comes close to least squares', async (rows, columns) => {
    const given = problem(rows, columns, 3);
    const { mask, fitted } = await updated(given, pattern, admmUpdate, 0.01);
    expect(fitted.map((value) => (value === 0 ? 0 : 1))).toEqual(mask);
    const best = quadratic(given, (await updated(given, pattern, refitSurvivors, 0.01)).fitted, 1);
    expect(quadratic(given, fitted, 1) / best).toBeLessThan(1.02);
  });
});
