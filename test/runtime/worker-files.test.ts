/** Files that are removed and made again under the same name between the tasks of a pool. */
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { findNonFinite } from '../../src/forward/check-finite-task.js';
import { readRouting } from '../../src/forward/expert-task.js';
import { HiddenStates } from '../../src/forward/hidden-states.js';
import { copyBytes } from '../../src/forward/store-task.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';

const folder = mkdtempSync(join(tmpdir(), 'secateur-test-'));
const pool = new WorkerPool(1);
afterAll(async () => {
  await pool.close();
  rmSync(folder, { recursive: true });
});

const floats = (path: string) => new Float32Array(new Uint8Array(readFileSync(path)).buffer);

/** What a worker reads at the start of the file. */
async function readByWorker(path: string): Promise<number[]> {
  const { weights } = await pool.run('forward/expert-task', readRouting, {
    path,
    offset: 0,
    tokens: 1,
    experts: 4,
  });
  return [...weights];
}

async function writeByWorker(path: string, values: readonly number[]): Promise<void> {
  const from = join(folder, `values ${values.join(' ')}`);
  writeFileSync(from, Float32Array.from(values));
  const place = (file: string) => ({ path: file, offset: 0 });
  await pool.run('forward/store-task', copyBytes, { from: place(from), to: place(path), bytes: 16 });
}

it('workers read and write the hidden states of now, not those of the same name that were disposed of', async () => {
  const path = join(folder, 'evaluation-0.hidden');
  const dense = new HiddenStates(path, 1, 1, 4);
  await writeByWorker(path, [1, 2, 3, 4]);
  expect(await readByWorker(path)).toEqual([1, 2, 3, 4]);
  dense.dispose();
  const pruned = new HiddenStates(path, 1, 1, 4);
  writeFileSync(path, Float32Array.of(9, 9, 9, 9), { flag: 'r+' });
  expect(await readByWorker(path)).toEqual([9, 9, 9, 9]);
  await writeByWorker(path, [5, 6, 7, 8]);
  expect([...floats(path)]).toEqual([5, 6, 7, 8]);
  pruned.dispose();
  await expect(readByWorker(path)).rejects.toThrow(`cannot open ${path}: no such file or folder`);
});

it('workers read the weights that a path leads to now', async () => {
  const path = join(folder, 'block.f32');
  const look = async () => {
    const place = { file: path, offset: 0, dtype: 'F32', elements: 2 } as const;
    return await pool.run('forward/check-finite-task', findNonFinite, place);
  };
  writeFileSync(path, Float32Array.of(0, Number.NaN));
  expect(await look()).toEqual({ index: 1, value: Number.NaN });
  writeFileSync(`${path}.tmp`, Float32Array.of(Number.POSITIVE_INFINITY, 0));
  renameSync(`${path}.tmp`, path);
  expect(await look()).toEqual({ index: 0, value: Number.POSITIVE_INFINITY });
});
