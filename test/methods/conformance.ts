/** What every method, refinement and update must satisfy: run by `methods.test.ts` for each line of the registries. @module */
import { describe, expect, it } from 'vitest';
import type { WorkerPool } from '../../src/runtime/worker-pool.js';
import type { Pattern } from '../../src/sparsity/pattern.js';
import { diagonalOf, meanRidge, quadratic } from '../solvers/conformance.js';
import { expectSameBits } from '../support/expect-same-bits.js';
import {
  type Asked,
  COLUMNS,
  correlated,
  type GivenLinear,
  halfDone,
  type Inputs,
  inputsOf,
  linear,
  prunedTogether,
  TOKENS,
} from './method-group.js';

const unstructured = (sparsity: number): Pattern => ({ kind: 'unstructured', sparsity });
const nOfM = (keep: number, of: number): Pattern => ({ kind: 'n:m', keep, of });

export const patterns = [
  unstructured(0.5),
  unstructured(0.37),
  unstructured(0.9),
  nOfM(2, 4),
  nOfM(1, 3),
  nOfM(3, 8),
];

/** A method, or what follows one: other masks for what it has left, or other weights. */
export type Step = 'method' | 'refinement' | 'update';

/** @param pools of 1 worker and of others */
export function describeMethod(
  step: Step,
  asked: Asked,
  pools: readonly [WorkerPool, ...WorkerPool[]],
): void {
  const { method, options } = asked;
  const [pool] = pools;
  const given = (name: string, rows: number, pattern: Pattern) =>
    step === 'method' ? linear(name, rows, pattern) : halfDone(linear(name, rows, pattern));
  const pruned = async (one: GivenLinear, inputs: Inputs) => {
    const { weights, outcomes } = await prunedTogether(asked, [one], inputs, pool);
    return { weights: weights.get(one.name) as Float32Array, outcome: outcomes.get(one.name) };
  };

  /** What follows a method leaves the zeros of every row as they are, or those of every group. */
  const expectCounts = ({ pattern, dense }: GivenLinear, weights: Float32Array) => {
    const inRows = step !== 'method' || method.comparesRows?.(options);
    const size = pattern.kind === 'n:m' ? pattern.of : inRows ? COLUMNS : dense.length;
    const zeros = pattern.kind === 'n:m' ? size - pattern.keep : Math.floor(size * pattern.sparsity);
    for (let start = 0; start < weights.length; start += size) {
      expect(zerosOf(weights.subarray(start, start + size))).toBe(zeros);
    }
    expect(weights.every(Number.isFinite)).toBe(true);
  };
  const expectSurvivors = ({ dense, left = dense }: GivenLinear, weights: Float32Array) => {
    if (step === 'update') expect(maskOf(weights)).toEqual(maskOf(left));
    if (method.movesWeights) return;
    const stay = step === 'update' ? left : dense;
    expectSameBits(
      weights,
      stay.map((value, i) => (weights[i] === 0 ? 0 : value)),
    );
  };

  describe(`${step} ${method.name} ${JSON.stringify(options)}`, () => {
    it.each(patterns)(
      '%o: exact counts, valid groups, and only a method that says so moves what stays',
      async (pattern) => {
        const one = given('w', 20, pattern);
        const { weights, outcome } = await pruned(one, correlated);
        expectCounts(one, weights);
        expectSurvivors(one, weights);
        if (!method.movesWeights) return;
        const problem = { rows: 20, columns: COLUMNS, tokens: TOKENS, x: correlated.x, w: one.dense };
        const { damping } = options as { damping: number };
        const diagonal = diagonalOf(problem);
        const ridge =
          method.name === 'admm' ? diagonal.map((value) => damping * value) : meanRidge(diagonal, damping);
        const loss = quadratic(problem, weights, 2 / TOKENS, ridge) / 2;
        expect((outcome?.predictedLoss ?? 0) / loss).toBeCloseTo(1, 3);
        // No more is lost than without the move.
        const still = one.dense.map((value, i) => (weights[i] === 0 ? 0 : value));
        expect(loss).toBeLessThan(quadratic(problem, still, 2 / TOKENS, ridge) / 2);
      },
    );

    it.each(patterns)('%o: exact counts where all weights and gradients are equal', async (pattern) => {
      const { dense, gradients } = linear('w', 12, pattern);
      const [flat, same] = [dense.map(() => -0.5), dense.map(() => 2)];
      const constant = {
        ...linear('w', 12, pattern),
        dense: flat,
        gradients: { ...gradients, mean: same, 'root mean square': same },
      };
      const one = step === 'method' ? constant : halfDone(constant);
      const { weights } = await pruned(one, correlated);
      expectCounts(one, weights);
      expectSurvivors(one, weights);
    });

    it.each(patterns)(
      '%o: exact counts where inputs are zero, and where they never change',
      async (pattern) => {
        for (const value of [0, 1.5]) {
          const one = given('w', 12, pattern);
          const { weights } = await pruned(one, inputsOf(new Float32Array(TOKENS * COLUMNS).fill(value)));
          expectCounts(one, weights);
          expectSurvivors(one, weights);
        }
      },
    );

    it('leaves all weights as they are where nothing goes', async () => {
      const one = linear('w', 12, unstructured(0));
      const { weights } = await pruned(one, correlated);
      if (step !== 'update') expectSameBits(weights, one.dense);
      for (const [i, value] of weights.entries()) expect(value).toBeCloseTo(one.dense[i] as number, 3);
    });

    it('gives each linear what it gives it alone, whatever the number of workers, one by one or at once', async () => {
      // The first has more rows than a task of solvers.
      const linears = [
        given('of many rows', 520, unstructured(0.37)),
        given('in groups', 24, nOfM(2, 4)),
        given('in others', 16, nOfM(3, 8)),
      ];
      const alone = await Promise.all(linears.map(async (one) => (await pruned(one, correlated)).weights));
      for (const [at, workers] of pools.entries()) {
        const oneLinear = at === 0;
        const { weights, outcomes } = await prunedTogether(asked, linears, correlated, workers, oneLinear);
        expect([...outcomes.keys()].sort()).toEqual(linears.map(({ name }) => name).sort());
        for (const [i, { name }] of linears.entries())
          expectSameBits(weights.get(name) as Float32Array, alone[i] as Float32Array);
      }
    });
  });
}

const zerosOf = (weights: Float32Array) =>
  weights.reduce((count, value) => (value === 0 ? count + 1 : count), 0);
const maskOf = (weights: Float32Array) => Uint8Array.from(weights, (value) => (value === 0 ? 0 : 1));
