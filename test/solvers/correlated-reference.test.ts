/** A small layer with dead inputs against the published SparseGPT code (scripts/golden/make-sparsegpt-golden.py). */
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { wanda } from '../../src/scores/wanda.js';
import { sparseGpt } from '../../src/solvers/sparsegpt.js';
import { type Pattern, parsePattern } from '../../src/sparsity/pattern.js';
import { pruneByScore } from '../../src/sparsity/prune-by-score.js';
import { float32View } from '../../src/system/native-memory.js';
import { nativeGram, nativeTensor } from '../support/native.js';
import { readGolden } from '../support/safetensors.js';

const golden = readGolden(fileURLToPath(new URL('../golden/correlated-layer.safetensors', import.meta.url)));
const f32 = (name: string) => golden.get(name)?.data as Float32Array;
const [rows = 0, columns = 0] = golden.get('weight')?.shape ?? [];
const [tokens = 0] = golden.get('x')?.shape ?? [];
const pool = new WorkerPool(2);
afterAll(() => pool.close());

const half: Pattern = { kind: 'unstructured', sparsity: 0.5 };

describe('SparseGPT with correlated and dead inputs', () => {
  it.each<[string, Pattern]>([
    ['sparsegpt.50', half],
    ['sparsegpt.2of4', parsePattern('2:4')],
    ['sparsegpt.4of8', parsePattern('4:8')],
  ])('%s: masks, weights and loss of the published code', async (name, pattern) => {
    const weights = nativeTensor(f32('weight'), [rows, columns]);
    const outcomes = await sparseGpt(
      pool,
      'golden',
      nativeGram(f32('x'), tokens, columns),
      [{ name: 'w', weights, pattern }],
      { damping: 0.01, block_size: 32 },
    );
    const ours = float32View(weights.address, rows * columns);
    const theirs = f32(name);
    expect(Array.from(ours, (value) => value === 0)).toEqual(Array.from(theirs, (value) => value === 0));
    expect(
      ours.reduce((worst, value, i) => Math.max(worst, Math.abs(value - (theirs[i] as number))), 0),
    ).toBeLessThan(1e-4);
    const [loss] = f32(`${name}.loss`);
    expect((outcomes.get('w')?.predictedLoss ?? 0) / (loss as number)).toBeCloseTo(1, 4);
  });
});

describe('Wanda with correlated and dead inputs', () => {
  it.each<[string, Pattern]>([
    ['wanda.50.mask', half],
    ['wanda.2of4.mask', parsePattern('2:4')],
  ])('%s', async (name, pattern) => {
    const x = f32('x');
    const columnNorms = Float32Array.from({ length: columns }, (_, j) => {
      let sum = 0;
      for (let t = 0; t < tokens; t++) sum += (x[t * columns + j] as number) ** 2;
      return Math.sqrt(sum);
    });
    const weights = nativeTensor(f32('weight'), [rows, columns]);
    await pruneByScore(pool, wanda, { name: 'w', weights, columnNorms, pattern });
    const ours = float32View(weights.address, rows * columns);
    const mask = golden.get(name)?.data as Uint8Array;
    expect(Array.from(ours, (value) => (value === 0 ? 1 : 0))).toEqual(Array.from(mask));
  });
});
