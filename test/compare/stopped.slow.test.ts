/** Signals to a comparison in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { compare } from '../../src/index.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'secateur-stopped-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Starts a comparison in a process group of its own, and calls `then` when the dense model's hidden states are on the disk. */
async function started(name: string, args: readonly string[], then: (child: ChildProcess) => unknown) {
  const output = join(folder, name);
  const temporary = join(folder, `${name}-tmp`);
  mkdirSync(temporary);
  const runFile = join(folder, `${name}.yaml`);
  writeFileSync(
    runFile,
    [
      `model: ${join(root, 'models/quickstart')}`,
      `output: ${output}`,
      'prune: {method: magnitude, sparsity: 0.5}',
      `evaluation: {data: ${join(root, 'calibration/heldout.txt')}, context: 128}`,
    ].join('\n'),
  );
  const main = join(root, 'dist/cli/main.js');
  const asked = ['compare', runFile, '--methods', 'magnitude', '--patterns', '0.5', ...args];
  const child = spawn(process.execPath, [main, ...asked], {
    detached: true,
    env: { ...process.env, TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr?.on('data', (text) => {
    stderr += text;
  });
  const scratch = () => readdirSync(temporary).filter((entry) => entry.startsWith('secateur-'));
  const waiting = setInterval(() => {
    if (scratch().length === 0) return;
    clearInterval(waiting);
    then(child);
  }, 5);
  const ended = await new Promise<{ code: number | null; signal: string | null }>((resolve) =>
    child.on('close', (code, signal) => resolve({ code, signal })),
  );
  clearInterval(waiting);
  return { ...ended, stderr, left: scratch(), output, pid: child.pid };
}

const group = (child: ChildProcess, signal: NodeJS.Signals) => process.kill(-(child.pid as number), signal);

it('Ctrl-C ends the evaluation cleanly, and what comes after it is not in its way', async () => {
  const { code, stderr, left, output } = await started('interrupted', ['--fresh'], (child) =>
    group(child, 'SIGINT'),
  );
  expect(code).toBe(130);
  expect(stderr).toContain('run the same command again without --fresh to go on from here');
  expect(left).toEqual([]);
  expect(existsSync(output)).toBe(false);
});

it('a terminal that goes away ends both, the evaluation cleanly', async () => {
  const { code, signal, left, output } = await started('hung-up', [], (child) => group(child, 'SIGHUP'));
  expect({ code, signal }).toEqual({ code: null, signal: 'SIGHUP' });
  expect(left).toEqual([]);
  expect(readdirSync(output)).toEqual(['compare.lock']);
});

it('a second comparison in the same output is refused with the process that has it', async () => {
  let words = '';
  const { output, code, pid } = await started('locked', [], async (child) => {
    const attempt = compare(join(folder, 'locked.yaml'), { methods: ['magnitude'], goals: ['0.6'] });
    words = await attempt.then(String, (error) => error.message);
    group(child, 'SIGTERM');
  });
  expect(words).toContain(`output ${output} is being written by another comparison (process ${pid} on `);
  expect(code).toBe(143);
});
