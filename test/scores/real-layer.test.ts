/** Masks of one real layer against plain PyTorch versions of the formulas (scripts/golden/make-score-golden.py). */
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { readSafetensorsHeader } from '../../src/checkpoint/safetensors-header.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { gblm } from '../../src/scores/gblm.js';
import { ria } from '../../src/scores/ria.js';
import type { Score } from '../../src/scores/score.js';
import { wanda } from '../../src/scores/wanda.js';
import { type Pattern, parsePattern } from '../../src/sparsity/pattern.js';
import { pruneByScore, type ScoredMatrix } from '../../src/sparsity/prune-by-score.js';
import { float32View } from '../../src/system/native-memory.js';
import { nativeTensor } from '../support/native.js';
import { readGolden } from '../support/safetensors.js';

const path = (file: string) => fileURLToPath(new URL(`../golden/${file}.safetensors`, import.meta.url));
const layer = readGolden(path('smollm2-layer'));
const f32 = (name: string) => layer.get(name)?.data as Float32Array;
const [, columns = 0] = layer.get('weight')?.shape ?? [];
const expected = readGolden(path('smollm2-scores'));
const gradients = {
  path: path('smollm2-scores'),
  offset: readSafetensorsHeader(path('smollm2-scores')).tensors.get('gradients')?.offset ?? 0,
};

const pool = new WorkerPool(2);
afterAll(() => pool.close());

const goals: [string, Pattern][] = [
  ['50', { kind: 'unstructured', sparsity: 0.5 }],
  ['60', { kind: 'unstructured', sparsity: 0.6 }],
  ['2of4', parsePattern('2:4')],
];

/** Share of the places where both are pruned or both are kept; one bit a weight, 1 where it is pruned. */
async function agreement(
  score: Score,
  pattern: Pattern,
  mask: string,
  rows: number,
  options: unknown,
  more: Partial<ScoredMatrix> = {},
): Promise<number> {
  const bits = expected.get(mask)?.data as Uint8Array;
  const count = rows * columns;
  expect(bits.length).toBe(count / 8);
  const weights = nativeTensor(f32('weight').slice(0, count), [rows, columns]);
  const columnNorms = f32('column_norms');
  const matrix = { name: 'w', weights, columnNorms, tokens: 16 * 512, pattern, ...more };
  await pruneByScore(pool, score, matrix, { options });
  const pruned = float32View(weights.address, count);
  const isPruned = (i: number) => (((bits[i >> 3] as number) >> (7 - (i & 7))) & 1) === 1;
  return pruned.reduce((same, value, i) => same + ((value === 0) === isPruned(i) ? 1 : 0), 0) / count;
}

describe.each(goals)('at %s', (goal, pattern) => {
  it('ria', async () => {
    const mask = `ria.${goal}.mask`;
    expect(await agreement(ria, pattern, mask, 192, { exponent: 0.5 })).toBeGreaterThan(0.999);
    expect(await agreement(wanda, pattern, mask, 192, {})).toBeLessThan(0.98);
  });

  it('gblm', async () => {
    const mask = `gblm.${goal}.mask`;
    // As the formula has them, whatever the windows were.
    const filed = { gradients: [gradients], gradientTokens: 2048 };
    expect(await agreement(gblm, pattern, mask, 48, { alpha: 100 }, filed)).toBeGreaterThan(0.999);
    expect(await agreement(wanda, pattern, mask, 48, {})).toBeLessThan(0.998);
  });
});
