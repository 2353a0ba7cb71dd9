import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { outputError } from '../../src/statistics/output-error.js';
import { nativeGram, nativeTensor } from '../support/native.js';
import { correlatedActivations, normals } from '../support/random.js';

const pool = new WorkerPool(2);
const folder = mkdtempSync(join(tmpdir(), 'secateur-test-'));
afterAll(async () => {
  await pool.close();
  rmSync(folder, { recursive: true });
});

it.each([
  [5, 40],
  [700, 130],
])('%i×%i: ‖(W−Ŵ)X‖² / ‖WX‖² as computed from X itself', async (rows, columns) => {
  const tokens = 60;
  const x = correlatedActivations(tokens, columns, 8);
  const w = normals(rows * columns, 9);
  const pruned = w.map((value, i) => (i % 3 === 0 ? 0 : value * 1.02));
  const path = join(folder, `${rows}.bin`);
  writeFileSync(path, w);

  let [error, reference] = [0, 0];
  for (let r = 0; r < rows; r++) {
    for (let t = 0; t < tokens; t++) {
      let [difference, output] = [0, 0];
      for (let j = 0; j < columns; j++) {
        const [before, after] = [w[r * columns + j] as number, pruned[r * columns + j] as number];
        difference += (before - after) * (x[t * columns + j] as number);
        output += before * (x[t * columns + j] as number);
      }
      error += difference ** 2;
      reference += output ** 2;
    }
  }
  const dense = { name: 'w', file: path, offset: 0, dtype: 'F32' as const, shape: [rows, columns] };
  const result = await outputError(
    pool,
    dense,
    nativeTensor(pruned, [rows, columns]),
    nativeGram(x, tokens, columns),
  );
  expect(result / (error / reference)).toBeCloseTo(1, 4);
});

it('is 0 when nothing changed', async () => {
  const w = normals(50, 1);
  const path = join(folder, 'same.bin');
  writeFileSync(path, w);
  const dense = { name: 'w', file: path, offset: 0, dtype: 'F32' as const, shape: [5, 10] };
  expect(await outputError(pool, dense, nativeTensor(w, [5, 10]), nativeGram(normals(300, 2), 30, 10))).toBe(
    0,
  );
});
