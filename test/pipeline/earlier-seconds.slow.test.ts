/** What a report says of the processes that its run was stopped in before. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ProgressEvent, prune } from '../../src/index.js';
import { writeTinyModel } from '../reliability/tiny-model.js';
import { isPrunedBlock, pruneUntil } from '../support/prune-until.js';
import { type Changes, quickstartRuns } from '../support/quickstart-runs.js';

const { runFile, newPath, text } = quickstartRuns();
const model = newPath('model');
writeTinyModel(model);

const GBLM = 'method: gblm, sparsity: 0.5, options: {windows: 2}';
const OWL = 'allocation: {name: owl, windows: 2}';
const MAGNITUDE = { prune: '{method: magnitude, sparsity: 0.5}', calibration: null };

interface Entry {
  readonly kind: string;
  readonly cost?: { readonly seconds: number; readonly peak_rss_bytes: number };
}

const journalPath = (output: string) => join(output, 'secateur/journal.jsonl');

/** All entries but the first, which says what the run is. */
function entriesOf(output: string): Entry[] {
  const lines = readFileSync(journalPath(output), 'utf8').trimEnd().split('\n');
  return lines.slice(1).map((line) => JSON.parse(line));
}

const secondsOf = (entries: readonly Entry[], kinds = /./) =>
  entries
    .filter(({ kind }) => kinds.test(kind))
    .reduce((sum, { cost }) => sum + (cost?.seconds ?? Number.NaN), 0);

/** All blocks are pruned. */
const isVerifying = (event: ProgressEvent) => event.kind === 'stage' && event.stage === 'verify';

/** Stops a run, and says what it told of its blocks, evaluation apart. */
async function stopped(changes: Changes, stopsAt = isPrunedBlock, reuse?: string) {
  const { path, output } = runFile({ model, ...changes });
  let told = 0;
  const follow = (event: ProgressEvent) => {
    if (event.kind === 'block' && /^(allocate|gradients|prune)$/.test(event.stage)) told += event.seconds;
    return stopsAt(event);
  };
  await pruneUntil(path, follow, { reuse });
  return { path, output, told, entries: entriesOf(output) };
}

describe('a run that was stopped', () => {
  it.each([
    ['gradients', `{${GBLM}}`, ['gradients', 'block']],
    ['an allocation', `{method: wanda, sparsity: 0.5, ${OWL}}`, ['allocation', 'block']],
  ])('after a block, with %s: its report says what was before', async (_, settings, kinds) => {
    const { path, told, entries } = await stopped({ prune: settings });
    expect(entries.map(({ kind }) => kind)).toEqual(kinds);
    const { report } = await prune(path);
    expect(told).toBeGreaterThan(0);
    expect(report.run.earlier?.seconds).toBeGreaterThanOrEqual(told);
    expect(report.run.earlier?.seconds).toBeCloseTo(secondsOf(entries), 9);
    const peaks = entries.map(({ cost }) => cost?.peak_rss_bytes ?? 0);
    expect(report.run.earlier?.peak_rss_bytes).toBe(Math.max(...peaks));
    expect(Math.min(...peaks)).toBeGreaterThan(1e6);
    expect(report.run.reused).toBeUndefined();
  });

  it('with a folder that runs share: what is found there again counts once', async () => {
    const shared = newPath('shared');
    const { path, told, entries } = await stopped({ prune: `{${GBLM}, ${OWL}}` }, isPrunedBlock, shared);
    const { report } = await prune(path, { reuse: shared });
    const { earlier, reused } = report.run;
    // The allocation is known, so that the norms aren't looked for.
    expect(reused?.seconds).toBeCloseTo(secondsOf(entries, /gradients/), 9);
    expect(earlier?.seconds).toBeCloseTo(secondsOf(entries, /allocation|block/), 9);
    expect((earlier?.seconds ?? 0) + (reused?.seconds ?? 0)).toBeGreaterThanOrEqual(told);
  });

  it('when all blocks were pruned by what others had measured: that counts too', async () => {
    const shared = newPath('shared');
    const settings = { prune: `{${GBLM}, ${OWL}}` };
    const first = await prune(runFile({ model, ...settings }).path, { reuse: shared });
    expect(first.report.run.earlier).toBeUndefined();
    const { path, entries } = await stopped(settings, isVerifying, shared);
    const { report } = await prune(path, { reuse: shared });
    expect(report.run.reused).toBeUndefined();
    expect(report.run.earlier?.seconds).toBeCloseTo(secondsOf(entries), 9);
    const measured = first.report.phases.filter(({ stage }) => stage === 'gradients');
    const gradients = measured.reduce((sum, { seconds }) => sum + seconds, 0);
    expect(secondsOf(entries, /gradients/)).toBeCloseTo(gradients, 9);
  });

  it('twice: all that it goes on from counts', async () => {
    const { path, output, entries } = await stopped(MAGNITUDE);
    await pruneUntil(path, isVerifying);
    const both = entriesOf(output);
    expect(both.slice(0, entries.length)).toEqual(entries);
    expect(both).toHaveLength(3);
    const { report } = await prune(path);
    expect(report.run.earlier?.seconds).toBeCloseTo(secondsOf(both), 9);
  });

  it('and lost a file: blocks that are pruned again do not count', async () => {
    const { path, output, entries } = await stopped(
      { ...MAGNITUDE, rest: 'write: {max_shard_size: 40KB}' },
      isVerifying,
    );
    const last = readdirSync(output).filter((name) => /^model.*(partial|safetensors)$/.test(name));
    rmSync(join(output, last.sort().at(-1) ?? ''));
    const { report } = await prune(path);
    const again = report.notes.join().match(/blocks from (\d) on are pruned again/);
    const kept = Number(again?.[1]);
    expect(kept).toBeGreaterThan(0);
    expect(report.run.earlier?.seconds).toBeCloseTo(secondsOf(entries.slice(0, kept)), 9);
  });

  it('by a version that did not note it: nothing is said', async () => {
    const { path, output } = await stopped(MAGNITUDE);
    const lines = readFileSync(journalPath(output), 'utf8');
    writeFileSync(journalPath(output), lines.replace(/"cost":\{[^}]*\},/g, ''));
    expect(entriesOf(output).filter(({ cost }) => cost)).toEqual([]);
    const { report } = await prune(path);
    expect(report.notes.join()).toMatch(/resumed after block \d/);
    expect(report.run.earlier).toBeUndefined();
  });
});

it('the evaluation of the dense model is no pruning, and takes memory', async () => {
  const { path, entries } = await stopped(
    { ...MAGNITUDE, evaluation: `{data: ${text}, context: 32, windows: 2}` },
    (event) => event.kind === 'stage' && event.stage === 'prune',
  );
  const { report } = await prune(path);
  expect(entries.map(({ kind }) => kind)).toEqual(['dense evaluation']);
  expect(report.run.earlier).toEqual({ seconds: 0, peak_rss_bytes: entries[0]?.cost?.peak_rss_bytes });
});
