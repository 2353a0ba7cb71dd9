/** A run keeps to its memory limit, and its results don't depend on it. */
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { loadRunFile } from '../../src/config/load-run-file.js';
import { memoryEstimator } from '../../src/pipeline/estimates/estimate-memory.js';
import { runSchema } from '../../src/pipeline/methods/method-registry.js';
import { fitMemory, memoryNeeded } from '../../src/pipeline/prepare/fit-memory.js';
import { shrinkingSettings } from '../../src/pipeline/prepare/memory-settings.js';
import { prepareRun } from '../../src/pipeline/prepare/prepare-run.js';
import type { Report } from '../../src/report/report-schema.js';
import { makeShallowModel } from '../support/shallow-model.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'secateur-limit-'));
afterAll(() => rmSync(folder, { recursive: true }));
// One block is in memory at a time, however many there are.
const model = join(folder, 'model');
makeShallowModel(join(root, 'models/quickstart'), model, 2);

const main = join(root, 'dist/cli/main.js');

let count = 0;
function runFile(resources: string, workers = 3): { path: string; output: string } {
  const path = join(folder, `run-${count++}.yaml`);
  const output = join(folder, `out-${count}`);
  writeFileSync(
    path,
    [
      `model: ${model}`,
      `output: ${output}`,
      `calibration: {data: ${join(root, 'calibration/general.jsonl')}, samples: 12, sequence_length: 256}`,
      'prune: {method: sparsegpt, sparsity: 0.5}',
      `evaluation: {data: ${join(root, 'calibration/heldout.txt')}, context: 450, windows: 3}`,
      `resources: {workers: ${workers}, memory_limit: ${resources}}`,
    ].join('\n'),
  );
  return { path, output };
}

/** The command as a process of its own, whose memory is that of the run. */
async function prune(memoryLimit: string) {
  const { path, output } = runFile(memoryLimit);
  return await new Promise<{ code: number; stderr: string; report?: Report; hashes: Record<string, string> }>(
    (resolve) => {
      execFile(process.execPath, [main, 'prune', path, '--json'], (error, stdout, stderr) => {
        if (error) {
          resolve({ code: Number(error.code), stderr, hashes: {} });
          return;
        }
        const hash = (name: string) =>
          createHash('sha256')
            .update(readFileSync(join(output, name)))
            .digest('hex');
        const files = readdirSync(output, { withFileTypes: true }).filter((entry) => entry.isFile());
        const hashes = Object.fromEntries(files.map(({ name }) => [name, hash(name)]));
        resolve({ code: 0, stderr, report: JSON.parse(stdout).report, hashes });
      });
    },
  );
}

/** What may differ between runs: where and when, not what. */
function results({ layers, totals, evaluation, calibration_evaluation }: Report) {
  const timeless = layers.map(({ seconds: _, ...layer }) => layer);
  return { layers: timeless, totals, evaluation, calibration_evaluation };
}

describe('resources.memory_limit', () => {
  it('is refused with the smallest that works, which then works, is kept, and changes nothing', async () => {
    const refused = await prune('60MB');
    expect(refused.code).toBe(2);
    const megabytes = Number(/memory_limit: (\d+)MB is the smallest that works/.exec(refused.stderr)?.[1]);
    expect(refused.stderr).toMatch(/shorter calibration\.sequence_length and evaluation\.context/);

    const smallest = await prune(`${megabytes}MB`);
    const roomy = await prune('20GB');
    expect(smallest.code).toBe(0);
    expect(roomy.code).toBe(0);
    const [small, large] = [smallest.report as Report, roomy.report as Report];
    expect(small.run.peak_rss_bytes).toBeLessThanOrEqual(megabytes * 1e6);
    expect(small.run.machine.workers).toBe(1);
    expect(large.run.machine.workers).toBe(3);
    expect(small.notes.join()).toMatch(/to stay within \d+ MB of memory: 1 worker instead of 3/);
    expect(large.notes.join()).not.toContain('to stay within');
    expect(smallest.hashes).toEqual(roomy.hashes);
    expect(results(small)).toEqual(results(large));

    // Plans are within 25 %; a test has to bear other machines and other versions of Node.
    const planned = JSON.parse(
      execFileSync(process.execPath, [main, 'plan', runFile('20GB').path, '--json'], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }),
    );
    const ratio = planned.memory.peakBytes / large.run.peak_rss_bytes;
    expect(ratio).toBeGreaterThan(1 / 1.5);
    expect(ratio).toBeLessThan(1.5);
  }, 120_000);
});

describe('settings', () => {
  const prepared = async (limit: string) =>
    await prepareRun(loadRunFile(runFile(limit).path, runSchema, { set: [] }).config);

  it('each gets as much as it needs, the fastest that fits is taken', async () => {
    const resident = 100e6;
    const available = 10e9;
    const run = await prepared('20GB');
    const estimate = memoryEstimator(run, resident);
    const candidates = shrinkingSettings(3);
    expect(fitMemory(run, { resident, available }).memory).toEqual(candidates[0]);
    for (const settings of candidates) {
      const need = memoryNeeded(estimate(settings));
      const limited = { ...run.config, resources: { ...run.config.resources, memory_limit: need } };
      const { memory } = fitMemory({ ...run, config: limited }, { resident, available });
      expect(memoryNeeded(estimate(memory))).toBeLessThanOrEqual(need);
      expect(
        candidates.findIndex((each) => JSON.stringify(each) === JSON.stringify(memory)),
      ).toBeLessThanOrEqual(candidates.indexOf(settings));
    }
  });

  it('auto takes what the machine has, with what this process holds already', async () => {
    const run = await prepared('auto');
    const estimate = memoryEstimator(run, 100e6);
    const need = memoryNeeded(estimate(run.memory));
    expect(fitMemory(run, { resident: 100e6, available: need - 100e6 }).memory).toEqual(run.memory);
    const tighter = fitMemory(run, { resident: 100e6, available: need - 101e6 });
    expect(tighter.memory).not.toEqual(run.memory);
    expect(() => fitMemory(run, { resident: 100e6, available: 1e6 })).toThrow(
      /at least \d+ MB of memory, and the machine has 101 MB/,
    );
  });

  it('grow from the smallest to the fastest', async () => {
    const estimate = memoryEstimator(await prepared('20GB'), 100e6);
    for (const workers of [1, 2, 3]) {
      const needs = shrinkingSettings(workers)
        .filter((settings) => settings.workers === workers)
        .map((settings) => estimate(settings).peakBytes);
      expect(needs).toEqual(needs.toSorted((a, b) => b - a));
    }
  });
});
