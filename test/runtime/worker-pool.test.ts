import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Piscina } from 'piscina';
import { afterAll, expect, it, vi } from 'vitest';
import { findNonFinite } from '../../src/forward/check-finite-task.js';
import { type CopyArguments, copyBytes } from '../../src/forward/store-task.js';
import { onnxRuntime } from '../../src/runtime/onnxruntime.js';
import { measureSpeed } from '../../src/runtime/speed-task.js';
import { settle, WorkerPool } from '../../src/runtime/worker-pool.js';

const folder = mkdtempSync(join(tmpdir(), 'secateur-test-'));
const path = join(folder, 'weights');
const elements = 1 << 20;
const weights = new Float32Array(elements);
weights[elements - 1] = Number.NaN;
writeFileSync(path, weights);
afterAll(() => rmSync(folder, { recursive: true }));

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Tasks that each write a 1 into a place of their own, and how many of them have. */
function marking(name: string, count: number) {
  const [one, marks] = [join(folder, 'one'), join(folder, name)];
  writeFileSync(one, Uint8Array.of(1));
  writeFileSync(marks, new Uint8Array(count));
  const tasks = Array.from({ length: count }, (_, offset) => ({
    from: { path: one, offset: 0 },
    to: { path: marks, offset },
    bytes: 1,
  }));
  return { tasks, begun: () => readFileSync(marks).filter((mark) => mark === 1).length };
}

it.each([
  [
    'of a list',
    (pool: WorkerPool, tasks: CopyArguments[], onDone: () => void) =>
      pool.map('forward/store-task', copyBytes, tasks, onDone),
  ],
  [
    'asked for one by one',
    (pool: WorkerPool, tasks: CopyArguments[], onDone: () => void) =>
      settle(tasks.map((task) => pool.run('forward/store-task', copyBytes, task).then(onDone))),
  ],
])('begins few of the tasks %s once its signal is aborted', async (_, run) => {
  const controller = new AbortController();
  const pool = new WorkerPool(2, controller.signal);
  const { tasks, begun } = marking('aborted', 64);
  const reason = new Error('stopped');
  let done = 0;
  const onDone = () => {
    if (++done === 3) controller.abort(reason);
  };
  await expect(run(pool, tasks, onDone)).rejects.toBe(reason);
  // Beside those that are done, one that is under way and one that waits for each worker.
  expect(begun()).toBeGreaterThanOrEqual(3);
  expect(begun()).toBeLessThanOrEqual(3 + 4);
  await pool.close();
});

it('begins few tasks of a list after one of them has failed, and says which was the first to fail', async () => {
  const pool = new WorkerPool(2);
  const { tasks, begun } = marking('failed', 64);
  const wrong = [2, 3, 40].map((index) => ({ index, path: join(folder, `missing ${index}`) }));
  for (const { index, path } of wrong)
    tasks[index] = { ...(tasks[index] as CopyArguments), from: { path, offset: 0 } };
  await expect(pool.map('forward/store-task', copyBytes, tasks)).rejects.toThrow('missing 2');
  expect(begun()).toBeLessThanOrEqual(2 + 4);
  await pool.close();
});

it('gives the results of a list in its order', async () => {
  const pool = new WorkerPool(2);
  const sizes = [900_000, 1, 500_000, 2, 3, 700_000, 4, 5, elements];
  const tasks = sizes.map((size) => ({
    file: path,
    offset: (elements - size) * 4,
    dtype: 'F32' as const,
    elements: size,
  }));
  const found = await pool.map('forward/check-finite-task', findNonFinite, tasks);
  expect(found.map((each) => each?.index)).toEqual(sizes.map((size) => size - 1));
  await pool.close();
});

it('begins no task after its signal is aborted, and ends those under way', async () => {
  const controller = new AbortController();
  const pool = new WorkerPool(2, controller.signal);
  const look = () =>
    pool.run('forward/check-finite-task', findNonFinite, { file: path, offset: 0, dtype: 'F32', elements });
  const underWay = look();
  await turn();
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

it('begins nothing once it is closed', async () => {
  const pool = new WorkerPool(1);
  const list = [null, null, null, null, null];
  const speeds = pool.map('runtime/speed-task', measureSpeed, list);
  const ended = expect(speeds).rejects.toThrow();
  await pool.close();
  await ended;
  await expect(pool.run('runtime/speed-task', measureSpeed, null)).rejects.toThrow('the pool is closed');
});

it('fails a task, and closes, only when no thread computes any more', async () => {
  const started = vi.spyOn(Piscina.prototype, 'run');
  const pool = new WorkerPool(2);
  await pool.ready();
  const piscina = started.mock.contexts[0] as Piscina;
  started.mockRestore();
  const events: string[] = [];
  for (const thread of piscina.threads) thread.once('exit', () => events.push('thread ended'));
  const speed = () => pool.run('runtime/speed-task', measureSpeed, null);
  const failure = (what: string, promise: Promise<unknown>) =>
    promise.catch((error: Error) => events.push(`${what}: ${error.message}`));
  const underWay = [
    failure('under way', speed()),
    failure('under way', speed()),
    failure('waiting', speed()),
  ];
  // They have been sent to their workers.
  await turn();
  piscina.emit('error', new Error('a thread died'));
  const closed = pool.close().then(() => events.push('closed'));
  await Promise.all([...underWay, closed]);
  await failure('later', speed());
  const message = 'a worker thread failed in runtime/speed-task: a thread died';
  expect(events.slice(0, 2)).toEqual(['thread ended', 'thread ended']);
  expect(events.slice(2, -1).sort()).toEqual([
    'closed',
    `under way: ${message}`,
    `under way: ${message}`,
    `waiting: ${message}`,
  ]);
  expect(events.at(-1)).toBe(`later: ${message}`);
});
