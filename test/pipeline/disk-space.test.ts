/** A run is refused when the disk can't hold it. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { loadRunFile } from '../../src/config/load-run-file.js';
import { prune, RequestError } from '../../src/index.js';
import { gradientFileBytes } from '../../src/pipeline/dense/gradient-file.js';
import { runSchema } from '../../src/pipeline/methods/method-registry.js';
import { diskNeed, diskShortage } from '../../src/pipeline/prepare/disk-space.js';
import { prepareRun } from '../../src/pipeline/prepare/prepare-run.js';
import { pruneUntil } from '../support/prune-until.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'secateur-disk-'));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
function runFile(output: string, samples = 16, rest = '', method = 'wanda'): string {
  const path = join(folder, `run-${count++}.yaml`);
  const data = join(root, 'calibration/general.jsonl');
  writeFileSync(
    path,
    [
      `model: ${join(root, 'models/quickstart')}`,
      `output: ${output}`,
      `calibration: {data: ${data}, samples: ${samples}, sequence_length: 128}`,
      `prune: {method: ${method}, sparsity: 0.5}`,
      rest,
    ].join('\n'),
  );
  return path;
}

async function prepared(output: string, samples?: number, rest?: string, method?: string) {
  const path = runFile(output, samples, rest, method);
  return await prepareRun(loadRunFile(path, runSchema, { set: [] }).config);
}

describe('a disk that is too small', () => {
  it('is refused by one byte, with what is needed, what is free and what would help', async () => {
    const output = join(folder, 'new');
    const run = await prepared(output);
    const need = diskNeed(run);
    expect(diskShortage(run, 0, () => need.total)).toBeUndefined();
    const words = diskShortage(run, 0, () => need.total - 1);
    expect(words).toContain(output);
    expect(words).toMatch(
      /needs 1\d\.\d MB of disk.*5\.\d+ MB for the checkpoint, \d\.\d+ MB for the calibration/,
    );
    expect(words).toMatch(/are free; free 1 B, choose an output on another disk or take fewer/);
    expect(diskShortage(run, 0, () => undefined)).toBeUndefined();
  });

  it('counts shards, copied files and the windows of the larger of calibration and evaluation', async () => {
    const few = diskNeed(await prepared(join(folder, 'new'), 4));
    const many = diskNeed(await prepared(join(folder, 'new'), 8));
    expect(many.calibration).toBe(2 * few.calibration);
    // At least the hidden states, and no more than every activation of the block at once.
    expect(few.calibration).toBeGreaterThanOrEqual(4 * 128 * 192 * 4);
    expect(few.calibration).toBeLessThan(4 * 128 * (8 * 192 + 3 * 512) * 4);
    expect(few.checkpoint).toBeGreaterThan(5_510_016);
    expect(few.evaluation).toBe(0);
    const pruned = diskNeed(await prepared(join(folder, 'new'), 4), 6);
    expect(pruned.total).toBe(few.total - few.calibration);
    const text = join(root, 'calibration/heldout.txt');
    const evaluation = `evaluation: {data: ${text}, context: 512, windows: 20, calibration_windows: 2}`;
    const evaluated = diskNeed(await prepared(join(folder, 'new'), 4, evaluation));
    expect(evaluated.evaluation).toBeGreaterThanOrEqual((20 * 512 + 2 * 128) * 192 * 4);
    expect(evaluated.scratch).toEqual([{ name: 'hidden states', bytes: evaluated.evaluation }]);
    expect(evaluated.total - few.total).toBe(evaluated.evaluation - few.calibration);
  });

  it('counts the moments of gradients, and the inputs of all blocks for their windows', async () => {
    const output = join(folder, 'new');
    const method = 'gradient, options: {taylor: second, windows: 6}';
    const { calibration, scratch } = diskNeed(await prepared(output, 8, '', method));
    const linears = 6 * (2 * 192 * 192 + 2 * 64 * 192 + 3 * 512 * 192);
    const states = 6 * 128 * 192 * 4;
    // Besides the inputs: the output, and two of its size for the gradients.
    expect(calibration).toBe(2 * linears * 4 + (6 + 1 + 2) * states);
    expect(scratch).toEqual([
      { name: 'hidden states', bytes: (6 + 1 + 2) * states },
      { name: 'moments of gradients', bytes: 2 * linears * 4 },
    ]);
    expect(diskNeed(await prepared(output, 8, '', method), 6).calibration).toBe(0);
  });

  it('counts of what runs share only what is still to be written, on the disk where that is', async () => {
    const run = await prepared(join(folder, 'new'), 8, '', 'gblm, options: {windows: 6}');
    const { total } = diskNeed(run);
    const moments = gradientFileBytes(run);
    const near = (bytesToWrite: number) => ({ folder: join(folder, 'shared'), bytesToWrite });
    expect(diskShortage(run, 0, () => total, near(moments))).toBeUndefined();
    expect(diskShortage(run, 0, () => total - 1, near(moments))).toBeDefined();
    const found = diskNeed(run, 0, 0).total;
    expect(found).toBe(total - moments);
    expect(diskShortage(run, 0, () => found, near(0))).toBeUndefined();
    expect(diskShortage(run, 0, () => found - 1, near(0))).toBeDefined();
    // Another file system, wherever the tests run.
    const far = { folder: '/dev', bytesToWrite: moments };
    const free = (there: number) => (asked: string) => (asked === far.folder ? there : found);
    expect(diskShortage(run, 0, free(moments), far)).toBeUndefined();
    expect(diskShortage(run, 0, free(moments - 1), far)).toMatch(
      /of disk in \/dev for what it shares.*free 1 B/,
    );
    expect(diskShortage(run, 6, free(0), far)).toBeUndefined();
  });

  it('counts what blocks are optimised with: moments of one block, windows of a round, and dense outputs', async () => {
    const output = join(folder, 'new');
    const need = async (method: string) => diskNeed(await prepared(output, 8, '', method)).calibration;
    const wanda = await need('wanda');
    const block = 2 * 192 * 192 + 2 * 64 * 192 + 3 * 512 * 192;
    const score = await need('wanda++, options: {rounds: 0}');
    expect(score - wanda).toBe(block * 4);
    const { scratch } = diskNeed(await prepared(output, 8, '', 'wanda++, options: {rounds: 0}'));
    expect(scratch).toContainEqual({ name: 'moments of gradients', bytes: block * 4 });
    const rounds = await need('wanda++, options: {rounds: 3, round_windows: 2}');
    expect(rounds - score).toBe((2 / 8) * wanda + 3 * 2 * 128 * 192 * 4);
    // As many as there are, at most.
    const many = await need('wanda++, options: {rounds: 3, round_windows: 20}');
    expect(many - score).toBe(wanda + 8 * 128 * 192 * 4);
  });

  it('counts only what an unfinished run is still missing', async () => {
    const output = join(folder, 'stopped');
    await pruneUntil(
      runFile(output),
      (event) => event.kind === 'block' && event.stage === 'prune' && event.block === 1,
    );
    const run = await prepared(output);
    const need = diskNeed(run);
    const there = readdirSync(output)
      .filter((name) => name.includes('.safetensors'))
      .reduce((sum, name) => sum + statSync(join(output, name)).blocks * 512, 0);
    expect(there).toBeGreaterThan(1_000_000);
    expect(diskShortage(run, 0, () => need.total - there)).toBeUndefined();
    expect(diskShortage(run, 0, () => need.total - there - 1)).toMatch(/that are there already/);
  });
});

/** Mounts a file system of its own; false where that isn't allowed. */
function mounted(path: string, bytes: number): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  try {
    mkdirSync(path);
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', path], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describe('a file system of 9 MB', () => {
  const disk = join(folder, 'disk');
  const isMounted = mounted(disk, 9_000_000);
  afterAll(() => {
    if (isMounted) execFileSync('umount', [disk]);
  });

  it.skipIf(!isMounted)('refuses 400 windows before anything is written, and takes 2', async () => {
    const output = join(disk, 'out');
    const refused = prune(runFile(output, 400));
    await expect(refused).rejects.toThrow(/needs \d+ MB of disk in .*out .*calibration windows.*are free/);
    await expect(refused).rejects.toBeInstanceOf(RequestError);
    expect(existsSync(output)).toBe(false);
    const { report } = await prune(runFile(output, 2));
    expect(report.totals.sparsity).toBeCloseTo(0.5, 1);
  });
});
