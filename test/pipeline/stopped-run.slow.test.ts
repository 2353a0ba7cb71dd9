/** Runs that were stopped, and gone on with. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ProgressEvent, prune } from '../../src/index.js';
import { pruneUntil } from '../support/prune-until.js';
import { type Changes, fileHashes, quickstartRuns, refusal } from '../support/quickstart-runs.js';

const BLOCKS = 3;
const { runFile } = quickstartRuns(BLOCKS);

describe('a run that was stopped', () => {
  /** What each kind of run gives undisturbed, pruned once. */
  const undisturbed = new Map<string, Promise<Record<string, string>>>();
  const expectedFiles = (changes: Changes = {}) => {
    const key = JSON.stringify(changes);
    const known = undisturbed.get(key) ?? prune(runFile(changes).path).then((run) => fileHashes(run.output));
    undisturbed.set(key, known);
    return known;
  };

  it.each([0, 1, 2])('after block %i goes on to the same bytes', async (last) => {
    const changes = { resources: '{workers: 2}', rest: 'write: {max_shard_size: 1MB}' };
    const expected = await expectedFiles(changes);
    expect(Object.keys(expected).filter((name) => name.endsWith('.safetensors'))).toHaveLength(4);
    const { path, output } = runFile(changes);
    await pruneUntil(
      path,
      (event) => event.kind === 'block' && event.stage === 'prune' && event.block === last,
    );
    const blocks: number[] = [];
    const { report } = await prune(path, {
      onProgress: (event) => {
        if (event.kind === 'block' && event.stage === 'prune') blocks.push(event.block);
      },
    });
    expect(blocks).toEqual([0, 1, 2].slice(last + 1));
    expect(report.layers).toHaveLength(7 * BLOCKS);
    expect(fileHashes(output)).toEqual(expected);
  });

  it.each<[string, (event: ProgressEvent) => boolean, boolean]>([
    ['while gradients are collected', (event) => event.kind === 'step' && event.phase === 'backward', true],
    [
      'after block 0, with the gradients of the dense model',
      (event) => event.kind === 'block' && event.stage === 'prune',
      false,
    ],
  ])('%s: goes on to the same bytes', async (_, stopsAt, again) => {
    const changes = { prune: '{method: gblm, sparsity: 0.5, options: {windows: 4}}' };
    const expected = await expectedFiles(changes);
    const { path, output } = runFile(changes);
    await pruneUntil(path, stopsAt);
    expect(readdirSync(join(output, 'secateur')).includes('gradients.f32')).toBe(!again);
    const { report } = await prune(path);
    expect(report.phases.some(({ stage }) => stage === 'gradients')).toBe(again);
    expect(fileHashes(output)).toEqual(expected);
  });

  it('after a block that was optimised: goes on to the same bytes', async () => {
    const changes = {
      prune:
        '{method: wanda++, pattern: "2:4", options: {rounds: 1, round_windows: 3, learning_rate: 0.001}}',
    };
    const expected = await expectedFiles(changes);
    const { path, output } = runFile(changes);
    await pruneUntil(
      path,
      (event) => event.kind === 'step' && event.block === 1 && event.phase === 'backward',
    );
    expect(readdirSync(join(output, 'secateur')).some((name) => name.startsWith('regional'))).toBe(false);
    await prune(path);
    expect(fileHashes(output)).toEqual(expected);
  });

  it('does nothing when it is finished, refuses another run, and starts over with fresh', async () => {
    const { path, output } = runFile();
    const first = await prune(path);
    const again = await prune(path);
    expect(again.alreadyDone).toBe(true);
    expect(again.report).toEqual(first.report);
    const message = await refusal(prune(path, { set: ['prune.sparsity=0.6'] }));
    expect(message).toMatch(/differs in: prune;.*--fresh/);
    const { report } = await prune(path, { set: ['prune.sparsity=0.6'], fresh: true });
    expect(report.totals.sparsity).toBeCloseTo(0.6, 4);
    expect(readdirSync(output)).toContain('model.safetensors');
  });
});
