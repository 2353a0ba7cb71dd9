import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it, vi } from 'vitest';
import { findNonFinite } from '../../src/forward/check-finite-task.js';
import { onnxRuntime } from '../../src/runtime/onnxruntime.js';
import { measureSpeed } from '../../src/runtime/speed-task.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';

const folder = mkdtempSync(join(tmpdir(), 'secateur-test-'));
const path = join(folder, 'weights');
const elements = 1 << 20;
const weights = new Float32Array(elements);
weights[elements - 1] = Number.NaN;
writeFileSync(path, weights);
afterAll(() => rmSync(folder, { recursive: true }));

it('begins no task after its signal is aborted, and ends those under way', async () => {
  const controller = new AbortController();
  const pool = new WorkerPool(2, controller.signal);
  const look = () =>
    pool.run('forward/check-finite-task', findNonFinite, { file: path, offset: 0, dtype: 'F32', elements });
  const underWay = look();
  const reason = new Error('stopped');
  controller.abort(reason);
  await expect(look()).rejects.toBe(reason);
  expect(await underWay).toEqual({ index: elements - 1, value: Number.NaN });
  await pool.close();
});

it('releases the sessions that its workers leave behind, once', async () => {
  const release = vi.spyOn(onnxRuntime(), 'release');
  const pool = new WorkerPool(2);
  await pool.map('runtime/speed-task', measureSpeed, [null, null]);
  expect(release).not.toHaveBeenCalled();
  await pool.close();
  await pool.close();
  const sessions = release.mock.calls.map(([kind, address]) => `${kind} ${address}`);
  expect(sessions.length).toBeGreaterThan(0);
  expect(new Set(sessions).size).toBe(sessions.length);
});
