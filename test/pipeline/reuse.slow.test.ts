/** Runs that take from each other what they measure of the dense model. */
import { readdirSync, readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type ProgressEvent, prune, type Report } from '../../src/index.js';
import { makeFamilyModel } from '../support/family-model.js';
import { isPrunedBlock, pruneUntil } from '../support/prune-until.js';
import { fileHashes, quickstartRuns, refusal } from '../support/quickstart-runs.js';

const { runFile, newPath, shallow, text } = quickstartRuns();

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

const alone = (path: string) => reusing(undefined, path);

const files = (folder: string) =>
  readdirSync(folder)
    .map((name) => name.replace(/-[0-9a-f]{64}/, ''))
    .sort();

function secondsOf({ phases }: Report, stage: string): number {
  return phases.filter((each) => each.stage === stage).reduce((sum, { seconds }) => sum + seconds, 0);
}

describe('gradients', () => {
  const settings = { prune: '{method: gblm, sparsity: 0.5, options: {windows: 4}}' };
  const shared = newPath('shared');
  let first: Awaited<ReturnType<typeof reusing>>;
  beforeAll(async () => {
    first = await reusing(shared, runFile(settings).path);
  });

  it('are collected by the first run, which prunes as it would alone', async () => {
    expect(first.measured).toEqual(['gradients']);
    expect(first.report.run.reused).toBeUndefined();
    expect(first.hashes).toEqual((await alone(runFile(settings).path)).hashes);
    expect(files(shared)).toEqual(['gradients.f32', 'gradients.json']);
    expect(readdirSync(join(first.output, 'secateur')).filter((name) => /f32/.test(name))).toEqual([]);
  });

  it('are taken by another run, which says so', async () => {
    const other = '{method: gradient, pattern: "2:4", options: {windows: 4}}';
    const { report, measured, hashes } = await reusing(shared, runFile({ prune: other }).path);
    expect(measured).toEqual([]);
    expect(hashes).toEqual((await alone(runFile({ prune: other }).path)).hashes);
    expect(report.run.reused?.seconds).toBeCloseTo(secondsOf(first.report, 'gradients'), 9);
    expect(report.run.reused?.peak_rss_bytes).toBeGreaterThan(1e6);
    expect(secondsOf(report, 'gradients')).toBe(0);
    expect(secondsOf(report, 'reuse')).toBeGreaterThan(0);
    const sum = report.phases.reduce((total, { seconds }) => total + seconds, 0);
    expect(Math.abs(sum - report.run.seconds)).toBeLessThan(Math.max(0.05 * report.run.seconds, 0.05));
    expect(report.notes.join()).toMatch(
      /gradients of the dense model were found in .*shared.*not in the times/,
    );
  });

  it.each<[string, (event: ProgressEvent) => boolean, string[]]>([
    ['while it collects', (event) => event.kind === 'step' && event.phase === 'backward', ['gradients']],
    ['while it prunes', isPrunedBlock, []],
  ])('of a run that is stopped %s: it goes on to the same bytes', async (_, stopsAt, measured) => {
    const own = newPath('stopped');
    const { path } = runFile(settings);
    await pruneUntil(path, stopsAt, { reuse: own });
    const again = await reusing(own, path);
    expect(again.measured).toEqual(measured);
    expect(again.hashes).toEqual(first.hashes);
    expect(files(own)).toEqual(['gradients.f32', 'gradients.json']);
  });

  it('that the run has collected itself are kept when it goes on with a folder', async () => {
    const { path } = runFile(settings);
    await pruneUntil(path, isPrunedBlock);
    const again = await reusing(newPath('late'), path);
    expect(again.measured).toEqual([]);
    expect(again.hashes).toEqual(first.hashes);
  });

  it('are not shared within an output or a model', async () => {
    const { path, output } = runFile(settings);
    expect(await refusal(prune(path, { reuse: join(output, 'shared') }))).toMatch(/lies in the output/);
    expect(await refusal(prune(path, { reuse: shallow }))).toMatch(/lies in the model folder/);
  });

  it('that were cut short are collected again', async () => {
    const [data = ''] = readdirSync(shared).map((name) => join(shared, name));
    const whole = readFileSync(data);
    truncateSync(data, 1000);
    const again = await reusing(shared, runFile(settings).path);
    expect(again.measured).toEqual(['gradients']);
    expect(again.hashes).toEqual(first.hashes);
    expect(readFileSync(data).equals(whole)).toBe(true);
  });
});

it('takes gradients of experts with what is known of those that get too few tokens', async () => {
  const model = newPath('experts');
  makeFamilyModel('qwen3-moe', model);
  const calibration = `{data: ${text}, samples: 2, sequence_length: 32, experts: {minimum_tokens: 20, fallback: magnitude}}`;
  const run = (method: string) =>
    runFile({ model, calibration, prune: `{method: ${method}, sparsity: 0.5}` }).path;
  const shared = newPath('shared');
  const first = await reusing(shared, run('gradient'));
  expect(first.measured).toEqual(['gradients']);
  const notesOf = ({ layers }: Report) => layers.map(({ notes }) => notes.join());
  expect(notesOf(first.report).some((note) => note.includes('pruned by magnitude'))).toBe(true);
  const second = await reusing(shared, run('gblm'));
  expect(second.measured).toEqual([]);
  const other = await alone(run('gblm'));
  expect(second.hashes).toEqual(other.hashes);
  expect(notesOf(second.report)).toEqual(notesOf(other.report));
});

it('measures column norms once for allocations and goals that differ', async () => {
  const run = (allocation: string, sparsity: number) =>
    runFile({ prune: `{method: magnitude, sparsity: ${sparsity}, allocation: ${allocation}}` }).path;
  const shared = newPath('shared');
  const first = await reusing(shared, run('{name: owl, windows: 2}', 0.6));
  expect(first.measured).toEqual(['norms']);
  expect(first.hashes).toEqual((await alone(run('{name: owl, windows: 2}', 0.6))).hashes);
  expect(files(shared)).toEqual(['norms.f32', 'norms.json']);
  const taken = await reusing(shared, run('{name: loss, windows: 2}', 0.5));
  expect(taken.measured).toEqual([]);
  expect(taken.report.run.reused?.seconds).toBeGreaterThan(0);
  expect(taken.hashes).toEqual((await alone(run('{name: loss, windows: 2}', 0.5))).hashes);
});
