/** What runs leave for each other: under which names it lies, and when it is believed. */
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadRunFile } from '../../src/config/load-run-file.js';
import { Reuse } from '../../src/pipeline/dense/reuse.js';
import { ReusedFile } from '../../src/pipeline/dense/reused-file.js';
import { runSchema } from '../../src/pipeline/methods/method-registry.js';
import { prepareRun } from '../../src/pipeline/prepare/prepare-run.js';
import { lockFile } from '../../src/system/file-lock.js';
import { type Changes, quickstartRuns } from '../support/quickstart-runs.js';

const { folder, shallow, text, runFile, newPath } = quickstartRuns();

async function reuseOf(changes: Changes, shared = folder, onNote = (_: string) => {}): Promise<Reuse> {
  const run = await prepareRun(loadRunFile(runFile(changes).path, runSchema, { set: [] }).config);
  return new Reuse(shared, run, { onNote });
}

const GBLM = '{method: gblm, sparsity: 0.5, options: {windows: 4}}';
const OWL = '{method: magnitude, sparsity: 0.6, allocation: {name: owl, windows: 2}}';

const gblm = reuseOf({ prune: GBLM });
const owl = reuseOf({ prune: OWL });

describe('the name of gradients', () => {
  it('is the same for methods and goals that ask for the same', async () => {
    const { gradients, norms } = await gblm;
    expect(gradients?.name).toMatch(/^gradients-[0-9a-f]{64}\.f32$/);
    expect(norms).toBeUndefined();
    for (const prune of [
      '{method: gblm, sparsity: 0.7, options: {windows: 4, alpha: 3}}',
      '{method: gradient, pattern: "2:4", options: {windows: 4}}',
      '{method: obd, sparsity: 0.5, options: {hessian: fisher, windows: 4}, allocation: {name: owl, windows: 2}}',
    ]) {
      expect((await reuseOf({ prune })).gradients?.name).toBe(gradients?.name);
    }
  });

  it.each<[string, Changes]>([
    ['another number of windows', { prune: GBLM.replace('4', '3') }],
    ['fewer tokens', { prune: GBLM.replace('windows: 4', 'windows: 4, tokens: 32') }],
    ['other moments', { prune: '{method: gradient, sparsity: 0.5, options: {windows: 4, aggregate: set}}' }],
    ['other linears', { prune: GBLM.replace('}}', '}, rules: [{match: "*.0.*", keep: dense}]}') }],
    [
      'other text',
      { calibration: `{data: ${text}, samples: 6, sequence_length: 64, windows: random, seed: 1}` },
    ],
    ['shorter windows', { calibration: `{data: ${text}, samples: 6, sequence_length: 32}` }],
    ['another model', { model: changedModel() }],
  ])('is another for %s', async (_, changes) => {
    const { gradients } = await gblm;
    expect((await reuseOf({ prune: GBLM, ...changes })).gradients?.name).not.toBe(gradients?.name);
  });
});

describe('the name of norms', () => {
  it('is the same for allocations, options and goals that measure the same', async () => {
    const { norms, gradients } = await owl;
    expect(norms?.name).toMatch(/^norms-[0-9a-f]{64}\.f32$/);
    expect(gradients).toBeUndefined();
    for (const prune of [
      '{method: wanda, sparsity: 0.5, allocation: {name: owl, windows: 2, lambda: 0.2}}',
      '{method: magnitude, pattern: "2:4", allocation: {name: loss, windows: 2}}',
      '{method: magnitude, sparsity: 0.6, allocation: {name: global, windows: 2}}',
    ]) {
      expect((await reuseOf({ prune })).norms?.name).toBe(norms?.name);
    }
  });

  it.each<[string, Changes]>([
    ['another number of windows', { prune: OWL.replace('2', '3') }],
    ['other linears', { prune: OWL.replace('}}', '}, rules: [{match: "*.q_proj", sparsity: 0.5}]}') }],
    ['shorter windows', { calibration: `{data: ${text}, samples: 6, sequence_length: 32}` }],
    ['another model', { model: changedModel() }],
  ])('is another for %s', async (_, changes) => {
    const { norms } = await owl;
    expect((await reuseOf({ prune: OWL, ...changes })).norms?.name).not.toBe(norms?.name);
  });
});

describe('a file', () => {
  const CONTENT = { seconds: 1.5, peak_rss_bytes: 1000, starved: { 'model.layers.0.mlp.experts.1.': 3 } };
  const values = Buffer.from(Float32Array.from({ length: 3000 }, (_, i) => i / 7).buffer);

  async function made() {
    const own = newPath('shared');
    mkdirSync(own);
    const file = new ReusedFile(own, 'gradients', 'ab12', values.length);
    writeFileSync(file.path, values);
    expect(await file.read()).toBeUndefined();
    await file.describe(CONTENT);
    return { own, file, description: join(own, 'gradients-ab12.json') };
  }

  it('is believed as it was described', async () => {
    const { own, file } = await made();
    expect(await file.read()).toMatchObject(CONTENT);
    expect(file.bytesToWrite).toBe(0);
    file.remove();
    expect(readdirSync(own)).toEqual([]);
    expect(file.bytesToWrite).toBe(values.length);
  });

  it.each<[string, (data: string, description: string) => void]>([
    ['cut short', (data) => truncateSync(data, 1000)],
    ['longer', (data) => truncateSync(data, values.length + 4)],
    ['with another bit', (data) => flipBit(data, 6000)],
    ['without a description', (_, description) => rmSync(description)],
    ['with half a description', (_, description) => truncateSync(description, 40)],
    ['with an empty description', (_, description) => truncateSync(description, 0)],
    ["with another's description", (_, description) => replaceIn(description, 'ab12', 'ab13')],
    ['with the description of another size', (_, description) => replaceIn(description, '12000', '12004')],
    ['that has gone', (data) => rmSync(data)],
    ['that has its temporary name', (data) => renameSync(data, `${data}.tmp`)],
  ])('%s is not', async (_, damage) => {
    const { file, description } = await made();
    damage(file.path, description);
    expect(await file.read()).toBeUndefined();
  });

  it('that was begun needs less of the disk', async () => {
    const { file } = await made();
    renameSync(file.path, `${file.path}.tmp`);
    expect(file.bytesToWrite).toBe(0);
    truncateSync(`${file.path}.tmp`, 4096);
    expect(file.bytesToWrite).toBe(values.length - 4096);
  });

  it('that another run makes is waited for, and made when that one gave up', async () => {
    const waiting: string[] = [];
    const own = newPath('shared');
    mkdirSync(own);
    let release = () => {};
    const reuse = await reuseOf({ prune: GBLM }, own, (note) => {
      waiting.push(note);
      release();
    });
    const file = new ReusedFile(own, 'gradients', 'ab12', values.length);
    const lock = lockFile(`${file.path}.lock`);
    if (lock.kind !== 'held') throw new Error('the file system of the tests has no locks');
    release = lock.release;
    const timer = { time: <T>(_: string, work: () => Promise<T>) => work() };
    const content = { seconds: 2, starved: {} };
    const make = async () => {
      writeFileSync(file.path, values);
      return content;
    };
    expect(await reuse.take(file, 'gradients', timer, make)).toEqual(content);
    expect(waiting).toHaveLength(1);
    expect(waiting[0]).toMatch(new RegExp(`process ${process.pid} on .* is at it, and is waited for`));
    expect(reuse.taken).toBeUndefined();
    const never = () => Promise.reject(new Error('made again'));
    expect(await reuse.take(file, 'gradients', timer, never)).toMatchObject(content);
    expect(reuse.taken?.seconds).toBe(2);
    expect(readdirSync(own).sort()).toEqual(['gradients-ab12.f32', 'gradients-ab12.json']);
  });
});

/** The shallow model with another bit in its last weight. */
function changedModel(): string {
  const to = newPath('changed');
  cpSync(shallow, to, { recursive: true });
  flipBit(join(to, 'model.safetensors'), 2);
  return to;
}

/** Changes a bit. @param end bytes before the end */
function flipBit(path: string, end: number): void {
  const bytes = readFileSync(path);
  bytes[bytes.length - end] = (bytes[bytes.length - end] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

function replaceIn(path: string, from: string, to: string): void {
  writeFileSync(path, readFileSync(path, 'utf8').replace(from, to));
}
