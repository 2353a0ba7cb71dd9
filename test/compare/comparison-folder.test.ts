/** What a comparison takes for its own in an output folder, and what it leaves alone. */
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Comparison, findComparisons, writeComparison } from '../../src/compare/comparison.js';
import { checkComparisonFolder, claimComparisonFolder } from '../../src/compare/comparison-folder.js';
import { claimRuns, VariantRun } from '../../src/compare/variant-run.js';
import { RequestError } from '../../src/errors.js';
import { removeReused } from '../../src/pipeline/dense/reuse.js';
import { runSchema } from '../../src/pipeline/methods/method-registry.js';
import { claimOutputFolder } from '../../src/pipeline/output/output-folder.js';
import { lockFile } from '../../src/system/file-lock.js';
import { temporaryFolders } from '../checkpoint/temporary-folder.js';

const newFolder = temporaryFolders();

function write(...path: string[]): string {
  const file = join(...path);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, 'content');
  return file;
}

describe('the output of a comparison', () => {
  it("is not the model's folder, nor inside it", () => {
    const model = newFolder();
    const link = join(newFolder(), 'link');
    symlinkSync(model, link);
    expect(() => checkComparisonFolder(link, model)).toThrow('is the model folder itself');
    expect(() => checkComparisonFolder(join(model, 'compare'), model)).toThrow(
      'lies inside the model folder',
    );
    expect(readdirSync(model)).toEqual([]);
  });

  it.each([
    ['notes.txt', false],
    ['secateur/report.json', false],
    ['compare.json', true],
    ['compare.lock', true],
  ])('may have %s in it: %s', (name, allowed) => {
    const output = newFolder();
    write(output, name);
    const check = () => checkComparisonFolder(output, newFolder());
    if (allowed) expect(check).not.toThrow();
    else expect(check).toThrow(/holds something else \(\w.*\); choose an empty or new folder/);
  });

  it('is locked by one comparison, and goes again when nothing was left in it', () => {
    const parent = newFolder();
    const output = join(parent, 'new', 'output');
    const claim = claimComparisonFolder(output);
    const words = `is being written by another comparison (process ${process.pid} on ${hostname()})`;
    expect(() => claimComparisonFolder(output)).toThrow(words);
    expect(() => claimComparisonFolder(output)).toThrow(RequestError);
    claim.release();
    expect(readdirSync(parent)).toEqual([]);
    // One that was there before stays.
    claimComparisonFolder(parent).release();
    expect(existsSync(parent)).toBe(true);
  });
});

describe('the run of a variant', () => {
  const [a, b] = ['a'.repeat(64), 'b'.repeat(64)];
  const config = runSchema.parse({
    model: '/model',
    output: '/out',
    prune: { method: 'magnitude', sparsity: 0.5 },
  });
  const finish = (output: string) => {
    write(output, 'magnitude-0.5/secateur/report.json');
    write(output, 'magnitude-0.5/model.safetensors');
  };

  it('is ours when the comparison began it, and another of ours lies beside it', async () => {
    const output = newFolder();
    const run = new VariantRun(output, 'magnitude-0.5', a);
    expect(run.isOurs).toBe(true);
    await run.begin(config);
    finish(output);
    expect([run.isOurs, run.hasWeights]).toEqual([true, true]);
    await run.begin(config);
    expect(run.hasWeights).toBe(true);

    const other = new VariantRun(output, 'magnitude-0.5', b);
    expect([other.name, other.isOurs, other.hasWeights]).toEqual(['magnitude-0.5-bbbbbbbb', true, false]);
    await other.begin(config);
    expect(readFileSync(other.runFile, 'utf8')).toContain(`output: ${other.folder}\n`);
    expect(run.hasWeights).toBe(true);
    run.removeWeights();
    expect([run.isOurs, run.hasWeights]).toEqual([true, false]);
    expect(readdirSync(run.folder)).toEqual(['secateur']);
  });

  it('has its weights when all shards are there', async () => {
    const output = newFolder();
    const run = new VariantRun(output, 'magnitude-0.5', a);
    await run.begin(config);
    const shards = [1, 2].map((n) => `model-0000${n}-of-00002.safetensors`);
    const index = write(run.folder, 'model.safetensors.index.json');
    writeFileSync(index, JSON.stringify({ weight_map: { a: shards[0], b: shards[1] } }));
    for (const shard of shards) {
      expect(run.hasWeights).toBe(false);
      write(run.folder, shard);
    }
    expect(run.hasWeights).toBe(true);
  });

  it('is not ours when it was there before', async () => {
    const output = newFolder();
    finish(output);
    for (const fingerprint of [a, a, b]) {
      const run = new VariantRun(output, 'magnitude-0.5', fingerprint);
      expect(run.isOurs).toBe(false);
      await run.begin(config);
      expect(run.isOurs).toBe(false);
      expect(run.hasWeights).toBe(true);
    }
  });

  it('is thrown away only when nobody writes into any of them, and without what is no part of it', () => {
    const output = newFolder();
    finish(output);
    const notes = write(output, 'magnitude-0.5/notes.txt');
    write(output, 'wanda-0.5/secateur/report.json');
    const runs = ['magnitude-0.5', 'wanda-0.5', 'ria-0.5'].map((name) => new VariantRun(output, name, a));
    const busy = claimOutputFolder(join(output, 'wanda-0.5'));
    expect(() => claimRuns(runs)).toThrow('is being written by another run');
    expect(existsSync(join(output, 'magnitude-0.5/model.safetensors'))).toBe(true);
    busy.release();
    const claimed = claimRuns(runs);
    claimed.remove();
    claimed.release();
    expect(readdirSync(output)).toEqual(['magnitude-0.5']);
    expect(readdirSync(join(output, 'magnitude-0.5'))).toEqual(['notes.txt']);
    expect(existsSync(notes)).toBe(true);
  });
});

it('of what runs share, only what they left goes, and nothing that is just being made', () => {
  const folder = newFolder();
  const name = (kind: string, digit: string) => `${kind}-${digit.repeat(64)}`;
  for (const ending of ['.f32', '.f32.tmp', '.json', '.json.tmp', '.f32.lock'])
    write(folder, name('gradients', '1') + ending);
  write(folder, `${name('norms', '2')}.json`);
  write(folder, `${name('norms', '3')}.f32`);
  const lock = lockFile(join(folder, `${name('norms', '3')}.f32.lock`));
  write(folder, 'gradients-mine.f32');
  removeReused(folder);
  expect(readdirSync(folder)).toEqual([
    'gradients-mine.f32',
    `${name('norms', '3')}.f32`,
    `${name('norms', '3')}.f32.lock`,
  ]);
  if (lock.kind === 'held') lock.release();
  removeReused(folder);
  expect(readdirSync(folder)).toEqual(['gradients-mine.f32']);
  const own = newFolder();
  write(own, 'shared', `${name('norms', '2')}.f32`);
  removeReused(join(own, 'shared'));
  expect(readdirSync(own)).toEqual([]);
  removeReused(join(own, 'shared'));
});

describe('compare.json', () => {
  const comparison = (fingerprint: string): Comparison => ({
    version: 1,
    fingerprint,
    secateur: '0.0.0',
    model: '/model',
    calibration: null,
    evaluation: { data: 'text.txt', context: 8, windows: 1, tokens: 7 },
    dense: { fingerprint: 'dense', perplexity: 2, standard_error: null },
    rows: [],
  });

  it('keeps another comparison beside it, which takes its place again', async () => {
    const output = newFolder();
    const [first, second] = [comparison('1'.repeat(64)), comparison('2'.repeat(64))];
    await writeComparison(output, first);
    write(output, 'compare.html');
    expect(findComparisons(output, second.fingerprint, false)).toEqual({ there: first, same: undefined });
    const lines: string[] = [];
    await writeComparison(output, second, (line) => lines.push(line));
    expect(lines.join()).toContain('its rows are in compare-11111111.json now');
    expect(readdirSync(output)).toEqual(['compare-11111111.json', 'compare.json']);
    expect(findComparisons(output, first.fingerprint, false)).toEqual({ there: second, same: first });
    await writeComparison(output, first);
    expect(readdirSync(output)).toEqual(['compare-22222222.json', 'compare.json']);
    expect(JSON.parse(readFileSync(join(output, 'compare.json'), 'utf8'))).toEqual(first);
  });

  it('that this version can not read is overwritten only when that is asked for', async () => {
    const output = newFolder();
    write(output, 'compare.json');
    const { fingerprint } = comparison('3'.repeat(64));
    expect(() => findComparisons(output, fingerprint, false)).toThrow('--fresh overwrites it');
    expect(findComparisons(output, fingerprint, true)).toEqual({ there: undefined, same: undefined });
    await writeComparison(output, comparison(fingerprint));
    expect(findComparisons(output, fingerprint, false).same).toEqual(comparison(fingerprint));
  });
});
