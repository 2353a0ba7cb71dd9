/** Runs that take from each other what they measure of the dense model. */
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { InterruptedError, type ProgressEvent, prune, type Report } from '../../src/index.js';
import { lockFile } from '../../src/system/file-lock.js';
import { makeFamilyModel } from '../support/family-model.js';
import { fileHashes, quickstartRuns, refusal } from '../support/quickstart-runs.js';

const runs = quickstartRuns();
const { runFile, newPath } = runs;

const GBLM = '{method: gblm, sparsity: 0.5, options: {windows: 4}}';

/** Runs, and says what of the dense model was measured. */
async function reusing(reuse: string | undefined, path: string) {
  const measured = new Set<string>();
  const { report, output } = await prune(path, {
    reuse,
    onProgress: (event) => {
      if (event.kind !== 'step') return;
      if (event.stage === 'gradients') measured.add('gradients');
      if (event.stage === 'allocate' && event.phase === 'forward') measured.add('norms');
    },
  });
  return { report, output, measured: [...measured], hashes: fileHashes(output) };
}

const files = (folder: string) => readdirSync(folder).sort();

function secondsOf({ phases }: Report, stage: string): number {
  return phases.filter((each) => each.stage === stage).reduce((sum, { seconds }) => sum + seconds, 0);
}

describe('gradients', () => {
  const shared = newPath('shared');
  let first: Awaited<ReturnType<typeof reusing>>;
  beforeAll(async () => {
    first = await reusing(shared, runFile({ prune: GBLM }).path);
  });

  it('are collected by the first run, which prunes as it would alone', async () => {
    expect(first.measured).toEqual(['gradients']);
    expect(first.report.run.reused).toBeUndefined();
    const alone = await reusing(undefined, runFile({ prune: GBLM }).path);
    expect(first.hashes).toEqual(alone.hashes);
    expect(files(shared).map((name) => name.replace(/[0-9a-f]{64}/, 'fingerprint'))).toEqual([
      'gradients-fingerprint.f32',
      'gradients-fingerprint.json',
    ]);
    expect(files(join(first.output, 'secateur')).filter((name) => name.endsWith('.f32'))).toEqual([]);
  });

  it.each([
    '{method: gblm, sparsity: 0.7, options: {windows: 4}}',
    '{method: gradient, pattern: "2:4", options: {windows: 4}}',
    '{method: obd, sparsity: 0.5, options: {hessian: fisher, windows: 4}}',
  ])('%s takes them, and says so', async (settings) => {
    const alone = await reusing(undefined, runFile({ prune: settings }).path);
    expect(alone.measured).toEqual(['gradients']);
    const { report, measured, hashes } = await reusing(shared, runFile({ prune: settings }).path);
    expect(measured).toEqual([]);
    expect(hashes).toEqual(alone.hashes);
    expect(report.run.reused?.seconds).toBeCloseTo(secondsOf(first.report, 'gradients'), 9);
    expect(secondsOf(report, 'gradients')).toBe(0);
    expect(secondsOf(report, 'reuse')).toBeGreaterThan(0);
    const sum = report.phases.reduce((total, { seconds }) => total + seconds, 0);
    expect(Math.abs(sum - report.run.seconds)).toBeLessThan(Math.max(0.05 * report.run.seconds, 0.05));
    expect(report.notes.join()).toMatch(
      /gradients of the dense model were found in .*shared.*not in the times/,
    );
    expect(files(shared)).toHaveLength(2);
  });

  it.each<[string, Parameters<typeof runFile>[0]]>([
    ['another number of windows', { prune: GBLM.replace('4', '3') }],
    ['fewer tokens', { prune: GBLM.replace('windows: 4', 'windows: 4, tokens: 32') }],
    ['other moments', { prune: '{method: gradient, sparsity: 0.5, options: {windows: 4, aggregate: set}}' }],
    [
      'other linears',
      {
        prune: '{method: gblm, sparsity: 0.5, options: {windows: 4}, rules: [{match: "*.0.*", keep: dense}]}',
      },
    ],
    [
      'other text',
      { calibration: `{data: ${runs.text}, samples: 5, sequence_length: 64, seed: 1, windows: random}` },
    ],
    ['another model', { model: join(runs.folder, 'changed') }],
  ])('of %s are not taken', async (_, changes) => {
    if (changes?.model) changeOneWeight(changes.model);
    const before = files(shared);
    const { path } = runFile({ prune: GBLM, ...changes });
    const { measured, hashes } = await reusing(shared, path);
    expect(measured).toEqual(['gradients']);
    expect(files(shared)).toHaveLength(before.length + 2);
    expect(hashes).toEqual((await reusing(undefined, runFile({ prune: GBLM, ...changes }).path)).hashes);
    for (const name of files(shared)) if (!before.includes(name)) rmSync(join(shared, name));
  });

  it.each<[string, (data: string, description: string) => void]>([
    ['cut short', (data) => truncateSync(data, 1000)],
    ['with another byte', (data) => flipByte(data)],
    ['without a description', (_, description) => rmSync(description)],
    ['with half a description', (_, description) => truncateSync(description, 40)],
    [
      'with the description of another',
      (_, path) => {
        const text = readFileSync(path, 'utf8');
        writeFileSync(path, text.replace(/("fingerprint":")../, '$1zz'));
      },
    ],
    ['that have gone', (data) => rmSync(data)],
    ['that are not complete', (data) => renameSync(data, `${data}.tmp`)],
  ])('%s are collected again', async (_, damage) => {
    const damaged = newPath('damaged');
    cpSync(shared, damaged, { recursive: true });
    const [data = '', description = ''] = files(damaged).map((name) => join(damaged, name));
    damage(data, description);
    const again = await reusing(damaged, runFile({ prune: GBLM }).path);
    expect(again.measured).toEqual(['gradients']);
    expect(again.hashes).toEqual(first.hashes);
    expect(readFileSync(data).equals(readFileSync(join(shared, files(shared)[0] ?? '')))).toBe(true);
    expect(files(damaged)).toEqual(files(shared));
    expect((await reusing(damaged, runFile({ prune: GBLM }).path)).measured).toEqual([]);
  });

  it.each<[string, (event: ProgressEvent) => boolean, string[]]>([
    ['while it collects', (event) => event.kind === 'step' && event.phase === 'backward', ['gradients']],
    ['while it prunes', (event) => event.kind === 'block' && event.stage === 'prune', []],
  ])('of a run that is stopped %s: it goes on to the same bytes', async (_, stopsAt, measured) => {
    const own = newPath('stopped');
    const { path } = runFile({ prune: GBLM });
    const controller = new AbortController();
    const stopped = prune(path, {
      reuse: own,
      signal: controller.signal,
      onProgress: (event) => {
        if (stopsAt(event)) controller.abort();
      },
    });
    await expect(stopped).rejects.toBeInstanceOf(InterruptedError);
    const again = await reusing(own, path);
    expect(again.measured).toEqual(measured);
    expect(again.hashes).toEqual(first.hashes);
    expect(files(own)).toEqual(files(shared));
  });

  it('that the run has collected itself are kept when it goes on with a folder', async () => {
    const { path } = runFile({ prune: GBLM });
    const controller = new AbortController();
    const onProgress = (event: ProgressEvent) => {
      if (event.kind === 'block' && event.stage === 'prune') controller.abort();
    };
    const stopped = prune(path, { signal: controller.signal, onProgress });
    await expect(stopped).rejects.toBeInstanceOf(InterruptedError);
    const own = newPath('late');
    const again = await reusing(own, path);
    expect(again.measured).toEqual([]);
    expect(again.hashes).toEqual(first.hashes);
  });

  it('that another run is collecting are waited for', async () => {
    const own = newPath('locked');
    cpSync(shared, own, { recursive: true });
    const lock = lockFile(join(own, `${files(shared)[0]}.lock`));
    if (lock.kind !== 'held') return;
    const { path } = runFile({ prune: GBLM });
    const waiting: string[] = [];
    const { output } = await prune(path, {
      reuse: own,
      onProgress: (event) => {
        if (event.kind !== 'note' || !/is waited for/.test(event.message)) return;
        waiting.push(event.message);
        lock.release();
      },
    });
    expect(waiting).toHaveLength(1);
    expect(fileHashes(output)).toEqual(first.hashes);
  });

  it('are not shared within an output or a model', async () => {
    const { path, output } = runFile({ prune: GBLM });
    expect(await refusal(prune(path, { reuse: join(output, 'shared') }))).toMatch(/lies in the output/);
    expect(await refusal(prune(path, { reuse: runs.shallow }))).toMatch(/lies in the model folder/);
  });
});

describe('gradients of experts', () => {
  it('are taken with what is known of those that get too few tokens', async () => {
    const model = newPath('experts');
    makeFamilyModel('qwen3-moe', model);
    const calibration = `{data: ${runs.text}, samples: 2, sequence_length: 32, experts: {minimum_tokens: 20, fallback: magnitude}}`;
    const settings = (method: string) => ({
      model,
      calibration,
      prune: `{method: ${method}, sparsity: 0.5}`,
    });
    const shared = newPath('shared');
    const first = await reusing(shared, runFile(settings('gradient')).path);
    expect(first.measured).toEqual(['gradients']);
    expect(first.report.layers.some(({ notes }) => /pruned by magnitude/.test(notes.join()))).toBe(true);
    const second = await reusing(shared, runFile(settings('gblm')).path);
    expect(second.measured).toEqual([]);
    const alone = await reusing(undefined, runFile(settings('gblm')).path);
    expect(second.hashes).toEqual(alone.hashes);
    expect(second.report.layers.map(({ notes }) => notes)).toEqual(
      alone.report.layers.map(({ notes }) => notes),
    );
  });
});

describe('column norms', () => {
  const settings = (allocation: string, sparsity = 0.6) => ({
    prune: `{method: magnitude, sparsity: ${sparsity}, allocation: ${allocation}}`,
  });

  it('are measured once for allocations and goals that differ', async () => {
    const shared = newPath('shared');
    const owl = settings('{name: owl, windows: 2}');
    const first = await reusing(shared, runFile(owl).path);
    expect(first.measured).toEqual(['norms']);
    expect(first.hashes).toEqual((await reusing(undefined, runFile(owl).path)).hashes);
    expect(files(shared).map((name) => name.replace(/[0-9a-f]{64}/, 'fingerprint'))).toEqual([
      'norms-fingerprint.f32',
      'norms-fingerprint.json',
    ]);
    for (const other of [
      settings('{name: owl, windows: 2, lambda: 0.2}', 0.5),
      settings('{name: loss, windows: 2}'),
      settings('{name: global, windows: 2}'),
    ]) {
      const taken = await reusing(shared, runFile(other).path);
      expect(taken.measured).toEqual([]);
      expect(taken.report.run.reused?.seconds).toBeGreaterThan(0);
      expect(taken.hashes).toEqual((await reusing(undefined, runFile(other).path)).hashes);
    }
    expect((await reusing(shared, runFile(settings('{name: owl, windows: 3}')).path)).measured).toEqual([
      'norms',
    ]);
  });

  it('of other linears are not taken', async () => {
    const shared = newPath('shared');
    await reusing(shared, runFile(settings('{name: owl, windows: 2}')).path);
    const rule = {
      prune:
        '{method: magnitude, sparsity: 0.6, allocation: {name: owl, windows: 2}, rules: [{match: "*.q_proj", sparsity: 0.5}]}',
    };
    const other = await reusing(shared, runFile(rule).path);
    expect(other.measured).toEqual(['norms']);
    expect(other.hashes).toEqual((await reusing(undefined, runFile(rule).path)).hashes);
  });
});

/** The shallow model with another bit in its last weight. */
function changeOneWeight(to: string): void {
  cpSync(runs.shallow, to, { recursive: true });
  const path = join(to, 'model.safetensors');
  const bytes = readFileSync(path);
  bytes[bytes.length - 2] = (bytes[bytes.length - 2] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

function flipByte(path: string): void {
  const bytes = readFileSync(path);
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 64;
  writeFileSync(path, bytes);
}
