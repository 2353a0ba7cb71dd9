/** One real layer against plain PyTorch versions of the papers (scripts/golden/make-solver-golden.py, make-thanos-golden.py). */
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { admm } from '../../src/solvers/admm.js';
import { alps } from '../../src/solvers/alps.js';
import { refitSurvivors } from '../../src/solvers/least-squares.js';
import { thanos } from '../../src/solvers/thanos.js';
import { type Pattern, parsePattern } from '../../src/sparsity/pattern.js';
import { float32View } from '../../src/system/native-memory.js';
import { comparePruned } from '../support/compare-pruned.js';
import { nativeTensor, stripGram } from '../support/native.js';
import { readGolden } from '../support/safetensors.js';

const folder = new URL('../golden/', import.meta.url);
const layer = readGolden(fileURLToPath(new URL('smollm2-layer.safetensors', folder)));
const solved = readGolden(fileURLToPath(new URL('smollm2-solvers.safetensors', folder)));
const byThanos = readGolden(fileURLToPath(new URL('smollm2-thanos.safetensors', folder)));
const dense = layer.get('weight')?.data as Float32Array;
const [rows = 0, columns = 0] = layer.get('weight')?.shape ?? [];
const gram = stripGram(layer.get('gram')?.data as Float32Array, columns, 16 * 512);
const golden = (name: string) => solved.get(name)?.data as Float32Array;
const pool = new WorkerPool(2);
afterAll(() => pool.close());

const patterns: Record<string, Pattern> = {
  '60': { kind: 'unstructured', sparsity: 0.6 },
  '2of4': parsePattern('2:4'),
};

/** ‖(W−Ŵ)X‖² */
function outputError(pruned: Float32Array): number {
  const matrix = layer.get('gram')?.data as Float32Array;
  let total = 0;
  for (let row = 0; row < rows; row++) {
    const delta = dense
      .subarray(row * columns, (row + 1) * columns)
      .map((w, j) => w - (pruned[row * columns + j] as number));
    for (let i = 0; i < columns; i++) {
      let sum = 0;
      for (let j = 0; j < columns; j++) sum += (matrix[i * columns + j] as number) * (delta[j] as number);
      total += sum * (delta[i] as number);
    }
  }
  return total;
}

async function prunedByAlps(pattern: Pattern, iterations: number): Promise<Float32Array> {
  const weights = nativeTensor(dense, [rows, columns]);
  const options = { damping: 0.01, rho: 0.1, iterations, refit_iterations: 10 };
  await alps(pool, gram, [{ name: 'w', weights, pattern }], options);
  return float32View(weights.address, dense.length);
}

/** Least squares on the survivors of a pruned matrix, from their dense weights on. */
async function refitted(pruned: Float32Array): Promise<Float32Array> {
  const survivors = dense.map((value, i) => (pruned[i] === 0 ? 0 : value));
  const weights = nativeTensor(survivors, [rows, columns]);
  const loadDense = async (address: bigint) => float32View(address, dense.length).set(dense);
  await refitSurvivors(pool, gram, [{ name: 'w', weights, loadDense }], { damping: 0.01, iterations: 100 });
  return float32View(weights.address, dense.length);
}

describe('on a real layer', () => {
  it('six steps of ALPS at 60 %', async () => {
    const pruned = await prunedByAlps(patterns['60'] as Pattern, 6);
    expect(comparePruned(pruned, golden('alps.60.six_steps'), columns).masks).toBeGreaterThan(0.999);
  });

  // The steps amplify rounding: the golden code itself, in float32, agrees with its float64 in 97.8 and 99.7 %.
  it('ALPS at 60 % comes to as good a result, and its weights are those that its mask is best with', async () => {
    const pruned = await prunedByAlps(patterns['60'] as Pattern, 300);
    const theirs = golden('alps.60');
    expect(comparePruned(pruned, theirs, columns).masks).toBeGreaterThan(0.98);
    expect(outputError(pruned) / outputError(theirs)).toBeCloseTo(1, 2);
    for (const each of [theirs, pruned]) {
      const { masks, weightError } = comparePruned(await refitted(each), each, columns);
      expect(masks).toBe(1);
      // 4e-3 without the conjugate gradients.
      expect(weightError).toBeLessThan(2e-3);
    }
  });

  it('ALPS at 2:4: masks and weights', async () => {
    const pruned = await prunedByAlps(patterns['2of4'] as Pattern, 300);
    const theirs = golden('alps.2of4');
    const { masks, equalRows, weightError } = comparePruned(pruned, theirs, columns);
    expect(masks).toBeGreaterThan(0.998);
    expect(outputError(pruned) / outputError(theirs)).toBeCloseTo(1, 2);
    expect(equalRows).toBeGreaterThan(0.6);
    expect(weightError).toBeLessThan(1e-3);
  });

  it.each([
    ['60', 0.999],
    ['2of4', 0.998],
  ])('ADMM with gradual masks at %s', async (name, least) => {
    const weights = nativeTensor(dense, [rows, columns]);
    const pattern = patterns[name] as Pattern;
    const options = { damping: 0.1, iterations: 20, gradual: 15 };
    await admm(pool, gram, [{ name: 'w', weights, pattern }], options);
    const pruned = float32View(weights.address, dense.length);
    const theirs = golden(`admm.${name}`);
    const { masks, equalRows, weightError } = comparePruned(pruned, theirs, columns);
    expect(masks).toBeGreaterThan(least);
    expect(outputError(pruned) / outputError(theirs)).toBeCloseTo(1, 2);
    expect(equalRows).toBeGreaterThan(0.6);
    expect(weightError).toBeLessThan(1e-3);
  });

  it.each<[string, Pattern]>([
    ['50', { kind: 'unstructured', sparsity: 0.5 }],
    ['2of4', parsePattern('2:4')],
  ])('Thanos at %s: masks and weights', async (name, pattern) => {
    const weights = nativeTensor(dense, [rows, columns]);
    await thanos(pool, 'golden', gram, [{ name: 'w', weights, pattern }], { damping: 0.01, block_size: 128 });
    const pruned = float32View(weights.address, dense.length);
    const mask = byThanos.get(`thanos.${name}.mask`)?.data as Uint8Array;
    const same = pruned.reduce((count, value, i) => count + ((value === 0) === (mask[i] === 1) ? 1 : 0), 0);
    expect(same / mask.length).toBeGreaterThan(0.999);
    const theirs = byThanos.get(`thanos.${name}.rows`)?.data as Float32Array;
    const { equalRows, weightError } = comparePruned(pruned.subarray(0, theirs.length), theirs, columns);
    expect(equalRows).toBeGreaterThan(0.9);
    expect(weightError).toBeLessThan(1e-3);
  });

  it('least squares after Wanda at 2:4 is the solution of the normal equations', async () => {
    const mask = layer.get('wanda.2of4.mask')?.data as Uint8Array;
    const weights = nativeTensor(
      dense.map((value, i) => (mask[i] === 1 ? 0 : value)),
      [rows, columns],
    );
    const loadDense = async (address: bigint) => float32View(address, dense.length).set(dense);
    await refitSurvivors(pool, gram, [{ name: 'w', weights, loadDense }], {
      damping: 0.01,
      iterations: 1000,
    });
    const { masks, weightError, equalRows } = comparePruned(
      float32View(weights.address, dense.length),
      golden('wanda.2of4.least_squares'),
      columns,
    );
    // A weight that nearly vanishes may be 0 in one of the two.
    expect(masks).toBeGreaterThan(0.9999);
    expect(equalRows).toBeGreaterThan(0.98);
    expect(weightError).toBeLessThan(1e-3);
  });
});
