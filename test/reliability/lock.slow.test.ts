/** One run at a time in an output folder. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prune } from '../../src/index.js';
import { lockFile } from '../../src/system/file-lock.js';
import { temporaryFolders } from '../checkpoint/temporary-folder.js';
import { Workplace } from './real-run.js';

const newFolder = temporaryFolders();
const module = fileURLToPath(new URL('../../dist/system/file-lock.js', import.meta.url));

/** A process that takes the lock of a file, says so, and does as `then` says. */
async function holder(path: string, then: string): Promise<ChildProcess> {
  const script = `import { lockFile } from ${JSON.stringify(module)};
    import { spawn } from 'node:child_process';
    const lock = lockFile(${JSON.stringify(path)}); ${then}; console.log(lock.kind); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  return child;
}

async function killed(child: ChildProcess): Promise<void> {
  const closed = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await closed;
}

describe('a file lock', () => {
  it('is held once, says by whom, and takes its file along', () => {
    const path = join(newFolder(), 'lock');
    const first = lockFile(path);
    expect(first.kind).toBe('held');
    expect(lockFile(path)).toEqual({ kind: 'locked', holder: { pid: process.pid, host: hostname() } });
    if (first.kind === 'held') {
      first.release();
      first.release();
    }
    expect(existsSync(path)).toBe(false);
    const second = lockFile(path);
    expect(second.kind).toBe('held');
    if (second.kind === 'held') second.release();
  });

  it('leaves its file where it is to be kept', () => {
    const path = join(newFolder(), 'lock');
    const first = lockFile(path, { keep: true });
    expect(lockFile(path).kind).toBe('locked');
    if (first.kind === 'held') first.release();
    expect(existsSync(path)).toBe(true);
    const second = lockFile(path);
    expect(second.kind).toBe('held');
    if (second.kind === 'held') second.release();
    expect(existsSync(path)).toBe(false);
  });

  it('ends with a process that is killed, though its file stays', async () => {
    const path = join(newFolder(), 'lock');
    const child = await holder(path, '');
    expect(lockFile(path)).toEqual({ kind: 'locked', holder: { pid: child.pid, host: hostname() } });
    await killed(child);
    expect(existsSync(path)).toBe(true);
    const lock = lockFile(path);
    expect(lock.kind).toBe('held');
    if (lock.kind === 'held') lock.release();
  });

  it('is not kept by a child of the process', async () => {
    const path = join(newFolder(), 'lock');
    const child = await holder(path, `spawn('sleep', ['30'], { detached: true, stdio: 'ignore' }).unref()`);
    await killed(child);
    const lock = lockFile(path);
    expect(lock.kind).toBe('held');
    if (lock.kind === 'held') lock.release();
  });

  it('leaves a file alone that took the place of its own', () => {
    const path = join(newFolder(), 'lock');
    const first = lockFile(path);
    renameSync(path, `${path}.old`);
    const second = lockFile(path);
    expect([first.kind, second.kind]).toEqual(['held', 'held']);
    if (first.kind === 'held') first.release();
    expect(existsSync(path)).toBe(true);
    expect(lockFile(path).kind).toBe('locked');
    if (second.kind === 'held') second.release();
  });

  it('is let go of even when its file can not be removed any more', () => {
    const folder = newFolder();
    const path = join(folder, 'lock');
    const first = lockFile(path);
    renameSync(folder, `${folder}.away`);
    writeFileSync(folder, '');
    if (first.kind === 'held') first.release();
    rmSync(folder);
    renameSync(`${folder}.away`, folder);
    const second = lockFile(path);
    expect([first.kind, second.kind]).toEqual(['held', 'held']);
    if (second.kind === 'held') second.release();
  });

  it('is held by one of many that try, remove and try again', async () => {
    const folder = newFolder();
    const path = join(folder, 'lock');
    const inside = join(folder, 'inside');
    const script = `import { lockFile } from ${JSON.stringify(module)};
      import { mkdirSync, rmdirSync } from 'node:fs';
      let done = 0;
      while (done < 200) {
        const lock = lockFile(${JSON.stringify(path)});
        if (lock.kind !== 'held') continue;
        mkdirSync(${JSON.stringify(inside)});
        rmdirSync(${JSON.stringify(inside)});
        lock.release();
        done++;
      }`;
    // mkdir fails, and with it the process, when two are inside at once.
    const one = () =>
      new Promise((resolve) =>
        execFile(process.execPath, ['--input-type=module', '-e', script], (error) => resolve(error)),
      );
    expect(await Promise.all([one(), one(), one()])).toEqual([null, null, null]);
    expect(existsSync(path)).toBe(false);
  });
});

describe('two runs into one folder', () => {
  let place: Workplace;
  beforeAll(() => {
    place = new Workplace();
  });
  afterAll(() => place.dispose());

  /** Starts a run and stops the process once it prunes. */
  async function paused(output: string) {
    let child: ChildProcess | undefined;
    let ended: ReturnType<Workplace['prune']> | undefined;
    await new Promise<void>((resolve) => {
      ended = place.prune(output, {
        onStderr: (text, process) => {
          if (child || !text.includes('prune: 3 blocks')) return;
          child = process;
          process.kill('SIGSTOP');
          resolve();
        },
      });
    });
    if (!child || !ended) throw new Error('the run did not start');
    return { child, ended };
  }

  it('the second is refused with the process that holds it, with --fresh too, and disturbs nothing', async () => {
    const output = place.output();
    const { child, ended } = await paused(output);
    const before = readdirSync(output, { recursive: true });
    const words = `output ${output} is being written by another run (process ${child.pid} on ${hostname()})`;
    const second = await place.prune(output);
    expect(second.code).toBe(2);
    expect(second.stderr).toContain(words);
    for (const options of [{ fresh: true }, { set: ['prune.sparsity=0.7'] }]) {
      const set = [`output=${output}`, ...(options.set ?? [])];
      await expect(prune(place.runFile, { ...options, set })).rejects.toThrow(words);
    }
    expect(readdirSync(output, { recursive: true })).toEqual(before);
    child.kill('SIGCONT');
    expect((await ended).code).toBe(0);
    await place.expectFinished(output);
  });

  it('the lock of a killed run does not outlive it', async () => {
    const output = place.output();
    const { child, ended } = await paused(output);
    child.kill('SIGKILL');
    await ended;
    expect(existsSync(join(output, 'secateur/lock'))).toBe(true);
    await place.expectFinishes(output);
  });

  it.each(['lock', 'journal.jsonl.tmp'])(
    'a run killed when it had left only %s is begun anew',
    async (name) => {
      const output = place.output();
      mkdirSync(join(output, 'secateur'), { recursive: true });
      writeFileSync(join(output, 'secateur', name), '{');
      await place.expectFinishes(output);
    },
  );

  it('a run killed when all was done is finished, and its lock removed', async () => {
    const output = place.output();
    await place.expectFinishes(output);
    writeFileSync(join(output, 'secateur/lock'), '');
    const again = await prune(place.runFile, { set: [`output=${output}`] });
    expect(again.alreadyDone).toBe(true);
    await place.expectFinished(output);
  });

  it('a run killed when --fresh had removed the one before can be begun', async () => {
    const output = place.output();
    await place.expectFinishes(output);
    for (const name of readdirSync(output).filter((entry) => entry.startsWith('model')))
      rmSync(join(output, name));
    rmSync(join(output, 'secateur/report.json'));
    await place.expectFinishes(output);
  });

  it('--fresh removes the copies of the model before, and nothing else', async () => {
    const output = place.output();
    const extra = join(place.model, 'chat_template.jinja');
    writeFileSync(extra, 'of the first model');
    await prune(place.runFile, { set: [`output=${output}`] });
    rmSync(extra);
    writeFileSync(join(output, 'notes.txt'), 'mine');
    await prune(place.runFile, { set: [`output=${output}`], fresh: true });
    expect(existsSync(join(output, 'chat_template.jinja'))).toBe(false);
    expect(existsSync(join(output, 'notes.txt'))).toBe(true);
    rmSync(join(output, 'notes.txt'));
    await place.expectFinished(output);
  });

  it('a folder of the name that is no run is left alone, with --fresh too', async () => {
    const output = place.output();
    mkdirSync(join(output, 'secateur'), { recursive: true });
    writeFileSync(join(output, 'secateur/README.md'), 'mine');
    for (const fresh of [false, true]) {
      const attempt = prune(place.runFile, { set: [`output=${output}`], fresh });
      await expect(attempt).rejects.toThrow(/folder secateur that is no run's \(README\.md\)/);
    }
    expect(readdirSync(join(output, 'secateur'))).toEqual(['README.md']);
  });

  it('blocks whose file has gone are pruned again, and a finished run whose file has gone is not finished', async () => {
    const output = place.output();
    await place.expectFinishes(output);
    const journal = join(output, 'secateur/journal.jsonl');
    const blocks = () => readFileSync(journal, 'utf8').match(/"kind":"block"/g)?.length;
    expect(blocks()).toBe(3);
    rmSync(join(output, 'model-00002-of-00002.safetensors'));
    const { report } = await prune(place.runFile, { set: [`output=${output}`] });
    expect(report.notes.join()).toMatch(/blocks from \d on are pruned again/);
    await place.expectFinished(output);
    expect(blocks()).toBe(3);
  });
});
