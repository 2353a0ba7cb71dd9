/**
 * The program as a process of its own, with a library that works until it is told to stop.
 * @module
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
// Below node_modules, so that the compiled files find the dependencies.
const home = join(root, 'node_modules', '.cache', `secateur-cli-test-${process.pid}`);
const main = join(home, 'dist', 'cli', 'main.js');

const LIBRARY = `
import { writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
export async function prune(runFile, { onProgress, signal }) {
  if (runFile === 'crash.yaml') throw new TypeError('not expected');
  onProgress({ kind: 'stage', stage: 'prune', blocks: 2 });
  const timer = setInterval(() => {
    if (runFile === 'talking.yaml') onProgress({ kind: 'note', message: 'still there' });
  }, 20);
  await new Promise((resolve, reject) => {
    if (runFile !== 'deaf.yaml') signal.addEventListener('abort', () => reject(signal.reason));
  }).finally(async () => {
    clearInterval(timer);
    for (let i = 0; i < 3; i++) {
      onProgress({ kind: 'note', message: 'stopping' });
      await setTimeout(1);
    }
    if (process.env.TIDIED) writeFileSync(process.env.TIDIED, runFile);
  });
}
export const runSchema = () => ({ lines: Array.from({ length: 200000 }, (_, i) => i) });
`;

beforeAll(() => {
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, 'package.json'), '{"type": "module", "version": "4.5.6"}');
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  execFileSync(
    process.execPath,
    [tsc, '-p', 'tsconfig.json', '--noCheck', '--declaration', 'false', '--outDir', join(home, 'dist')],
    {
      cwd: root,
    },
  );
  writeFileSync(join(home, 'dist', 'index.js'), LIBRARY);
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

interface Ended {
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

/** Starts the program; `onStderr` sees all of stderr so far each time some arrives. */
function start(
  args: string[],
  onStderr: (text: string, child: ChildProcess) => void = () => {},
): Promise<Ended> {
  const child = spawn(process.execPath, [main, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 20_000,
    killSignal: 'SIGKILL',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data) => {
    stdout += data;
  });
  child.stderr.on('data', (data) => {
    stderr += data;
    onStderr(stderr, child);
  });
  return new Promise((resolve) =>
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr })),
  );
}

/** Sends `signals` in turn, each after the program has answered the one before. */
function interrupting(...signals: NodeJS.Signals[]) {
  let sent = 0;
  return (text: string, child: ChildProcess) => {
    const ready =
      sent === 0 ? text.includes('prune: 2 blocks') : text.includes('finishing what is under way');
    const next = signals[sent];
    if (ready && next !== undefined) {
      sent++;
      child.kill(next);
    }
  };
}

describe('the program', () => {
  it('ends by itself with the codes of the command line', async () => {
    expect(await start(['--version'])).toMatchObject({ code: 0, stdout: '4.5.6\n', stderr: '' });
    expect(await start(['nonsense'])).toMatchObject({ code: 2, stdout: '' });
    expect(await start(['prune', 'crash.yaml'])).toMatchObject({ code: 1, stdout: '' });
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('the first %s stops cleanly with code %d', async (signal, code) => {
    const ended = await start(['prune', 'slow.yaml'], interrupting(signal));
    expect(ended).toMatchObject({ code, signal: null, stdout: '' });
    expect(ended.stderr).toContain('run the same command again to go on');
  });

  it('a second signal ends a run that does not listen', async () => {
    const ended = await start(['prune', 'deaf.yaml'], interrupting('SIGTERM', 'SIGINT'));
    expect(ended).toMatchObject({ code: 130, signal: null });
    expect(ended.stderr).toContain('SIGTERM: finishing what is under way');
  });

  it('is quiet when the reader of its output goes away', async () => {
    const child = spawn(process.execPath, [main, 'schema'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 20_000,
      killSignal: 'SIGKILL',
    });
    let stderr = '';
    child.stderr.on('data', (data) => {
      stderr += data;
    });
    child.stdout.once('data', () => child.stdout.destroy());
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  it('ends with its own code when the reader of its output went away before', async () => {
    const child = spawn(process.execPath, [main, 'prune', 'crash.yaml', '--json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 20_000,
      killSignal: 'SIGKILL',
    });
    child.stdout.destroy();
    expect(await once(child, 'close')).toEqual([1, null]);
  });

  it.each([
    ['SIGINT', [], 130],
    ['SIGTERM', ['--json'], 143],
  ] as const)(
    'goes on until it has tidied up when nobody reads what it says: %s',
    async (signal, more, code) => {
      const tidied = join(home, `tidied-${signal}`);
      const child = spawn(process.execPath, [main, 'prune', 'slow.yaml', ...more], {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, TIDIED: tidied },
        timeout: 20_000,
        killSignal: 'SIGKILL',
      });
      await once(child.stderr, 'data');
      child.stdout.destroy();
      child.stderr.destroy();
      child.kill(signal);
      expect(await once(child, 'close')).toEqual([code, null]);
      expect(existsSync(tidied)).toBe(true);
    },
  );

  it('stops as told by SIGTERM when the comparison that reads it is gone', async () => {
    const tidied = join(home, 'tidied-unread');
    const child = spawn(process.execPath, [main, 'prune', 'talking.yaml'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TIDIED: tidied, SECATEUR_STOPS_UNREAD: '1' },
      timeout: 20_000,
      killSignal: 'SIGKILL',
    });
    await once(child.stderr, 'data');
    child.stderr.destroy();
    expect(await once(child, 'close')).toEqual([143, null]);
    expect(existsSync(tidied)).toBe(true);
  });

  describe.skipIf(!existsSync('/dev/full'))('on a full disk', () => {
    /** Runs the program with `descriptor` on one, and gives what the other of stdout and stderr had. */
    async function filling(descriptor: 1 | 2, ...args: string[]) {
      const full = openSync('/dev/full', 'w');
      const other = join(home, `other-${descriptor}`);
      const read = openSync(other, 'w');
      try {
        const child = spawn(process.execPath, [main, ...args], {
          stdio: ['ignore', ...(descriptor === 1 ? [full, read] : [read, full])],
          timeout: 20_000,
          killSignal: 'SIGKILL',
        });
        const [code] = await once(child, 'close');
        return { code, words: readFileSync(other, 'utf8') };
      } finally {
        closeSync(full);
        closeSync(read);
      }
    }

    it('says in a line that its result cannot be written', async () => {
      expect(await filling(1, 'schema')).toEqual({
        code: 1,
        words: 'error: the result cannot be written to stdout: ENOSPC: no space left on device, write\n',
      });
    });

    it('goes on when what it says cannot be written', async () => {
      expect(await filling(2, 'nonsense', '--json')).toMatchObject({
        code: 2,
        words: expect.stringContaining('"exitCode": 2'),
      });
    });
  });
});
