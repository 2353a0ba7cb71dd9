/** Runs on two blocks of the quickstart model whose linears lose unequal shares. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { readSafetensorsHeader } from '../../src/checkpoint/safetensors-header.js';
import { loadRunFile } from '../../src/config/load-run-file.js';
import { plan, prune, RequestError } from '../../src/index.js';
import { NO_ALLOCATION_WORK } from '../../src/pipeline/allocations/allocation.js';
import { allocationWork } from '../../src/pipeline/estimates/estimate-flops.js';
import { runSchema } from '../../src/pipeline/methods/method-registry.js';
import { prepareWithoutTexts } from '../../src/pipeline/prepare/prepare-run.js';
import { isPrunedBlock, pruneUntil } from '../support/prune-until.js';
import { makeShallowModel } from '../support/shallow-model.js';
import { writeShortText } from '../support/short-text.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'secateur-allocations-'));
afterAll(() => rmSync(folder, { recursive: true }));
const model = join(folder, 'model');
makeShallowModel(join(root, 'models/quickstart'), model, 2);
const text = writeShortText(folder);

let count = 0;
function runFile(settings: string, calibrated = false): { path: string; output: string } {
  const path = join(folder, `run-${count++}.yaml`);
  const output = join(folder, `out-${count}`);
  const calibration = calibrated ? `calibration: {data: ${text}, samples: 4, sequence_length: 64}` : '';
  writeFileSync(
    path,
    `model: ${model}\noutput: ${output}\n${calibration}\nprune: ${settings}\nresources: {workers: 1}\n`,
  );
  return { path, output };
}

/** The linears of the blocks, in the order of the model, as the bits of bf16. */
function linears(output: string): Map<string, Uint16Array> {
  const found = new Map<string, Uint16Array>();
  for (const file of readdirSync(output).filter((name) => name.endsWith('.safetensors'))) {
    const bytes = readFileSync(join(output, file));
    for (const [name, { offset, bytes: length }] of readSafetensorsHeader(join(output, file)).tensors) {
      if (!/layers.*_proj/.test(name)) continue;
      const start = bytes.byteOffset + offset;
      found.set(name.slice(0, -'.weight'.length), new Uint16Array(bytes.buffer.slice(start, start + length)));
    }
  }
  return found;
}

/** Weights of these linears, the first of all first, from the smallest on; of equal ones the first. */
function smallest(names: readonly string[]): { readonly places: Float64Array; readonly sizes: Uint16Array } {
  const matrices = names.map((name) => source.get(name) as Uint16Array);
  const sizes = new Uint16Array(matrices.reduce((sum, { length }) => sum + length, 0));
  let first = 0;
  for (const bits of matrices) {
    for (const [i, value] of bits.entries()) sizes[first + i] = value & 0x7fff;
    first += bits.length;
  }
  // One number for both, so that it sorts fast.
  const keys = Float64Array.from(sizes, (size, place) => size * sizes.length + place).sort();
  return { places: keys.map((key) => key % sizes.length), sizes };
}

/** The source's linears without the first `zeros` of some, the smallest first. */
function without(
  names: readonly string[],
  zeros: number,
  from: ReadonlyMap<string, Uint16Array> = source,
): Map<string, Uint16Array> {
  const { places, sizes } = smallest(names);
  const gone = new Uint8Array(sizes.length);
  for (const place of places.subarray(0, zeros)) gone[place] = 1;
  const expected = new Map(from);
  let first = 0;
  for (const name of names) {
    const bits = source.get(name) as Uint16Array;
    const start = first;
    expected.set(
      name,
      bits.map((value, i) => (gone[start + i] ? 0 : value)),
    );
    first += bits.length;
  }
  return expected;
}

function expectSame(output: string, expected: ReadonlyMap<string, Uint16Array>): void {
  const written = linears(output);
  for (const [name, bits] of expected) {
    const differs = bits.findIndex((value, i) => value !== written.get(name)?.[i]);
    expect(differs, name).toBe(-1);
  }
}

const source = linears(model);
const inOrder = (await plan(runFile('{method: magnitude, sparsity: 0}').path)).layers.map(({ name }) => name);

it('says where an allocation has nothing to choose', async () => {
  const checkpoint = await openCheckpoint(model);
  const notes = async (goal: string, allocation = 'alpha') => {
    const { path } = runFile(`{method: wanda, ${goal}, allocation: ${allocation}}`, true);
    const { config } = loadRunFile(path, runSchema, { set: [] });
    const run = await prepareWithoutTexts(config, checkpoint);
    const text = run.notes.join();
    expect(allocationWork(run) === NO_ALLOCATION_WORK).toBe(text.includes('changes nothing'));
    return text;
  };
  expect(await notes('pattern: "1:4"')).toContain('alpha changes nothing at 1:4');
  expect(await notes('pattern: "3:4"')).toContain('alpha changes nothing at 3:4');
  expect(await notes('pattern: "2:4"')).not.toContain('changes nothing');
  expect(await notes('sparsity: 0.995')).toContain('alpha changes nothing at 0.995');
  expect(await notes('sparsity: 0.9')).not.toContain('changes nothing');
  const apart = 'changes nothing at 2:4: its sparsities lie less than 1/4 apart';
  expect(await notes('pattern: "2:4"', 'owl')).toContain(`owl ${apart}`);
  expect(await notes('pattern: "4:8"', 'owl')).not.toContain('changes nothing');
  expect(await notes('pattern: "2:4"', '{name: owl, lambda: 0.125}')).not.toContain('changes nothing');
  expect(await notes('pattern: "2:4"', '{name: alpha, epsilon: 0.19}')).toContain(`alpha ${apart}`);
  expect(await notes('pattern: "2:4"', '{name: loss, bound: 0.12}')).toContain(`loss ${apart}`);
  expect(await notes('pattern: "2:4"', '{name: global, bound: 0.12}')).toContain(`global ${apart}`);
});

describe('an allocation that changes nothing', () => {
  it('has no pass where that is known before', async () => {
    const settings = (allocation: string) => `{method: wanda, pattern: "2:4", allocation: ${allocation}}`;
    const [plain, shared] = [runFile(settings('uniform'), true), runFile(settings('owl'), true)];
    expect((await plan(shared.path)).notes.join()).toContain('owl changes nothing at 2:4');
    await prune(plain.path);
    const { report } = await prune(shared.path);
    expect(report.phases.some(({ stage }) => stage === 'allocate')).toBe(false);
    expect(report.notes.join()).toContain('owl changes nothing at 2:4');
    expectSame(shared.output, linears(plain.output));
  });

  it('says so when all shares come to the goal, also when it is resumed', async () => {
    const note = 'options.scope block changes nothing at 2:4: the shares of all linears come to the same';
    const settings = (pattern: string) =>
      `{method: magnitude, pattern: "${pattern}", options: {scope: block}}`;
    const [plain, shared] = [runFile('{method: magnitude, pattern: "2:4"}'), runFile(settings('2:4'))];
    await prune(plain.path);
    await pruneUntil(shared.path, isPrunedBlock);
    const { report } = await prune(shared.path);
    expect(report.notes).toContain(note);
    expectSame(shared.output, linears(plain.output));
    const other = (await prune(runFile(settings('16:32')).path)).report;
    expect(new Set(other.layers.map(({ pattern }) => pattern)).size).toBeGreaterThan(1);
    expect(other.notes.join()).not.toContain('changes nothing');
  });
});

describe('magnitude', () => {
  it('with scope model prunes the smallest weights of all linears, ties by linear and index', async () => {
    const { path, output } = runFile('{method: magnitude, sparsity: 0.613, options: {scope: model}}');
    const { report } = await prune(path);
    const zeros = Math.floor(0.613 * report.totals.prunable);
    expect(report.totals.zeros).toBe(zeros);
    expectSame(output, without(inOrder, zeros));
  });

  it('with scope block prunes as many in each block, and leaves alone what a rule speaks of', async () => {
    const rules = 'rules: [{match: "*.v_proj", keep: dense}]';
    const { path, output } = runFile(`{method: magnitude, sparsity: 0.5, options: {scope: block}, ${rules}}`);
    await prune(path);
    let expected = source;
    for (const block of [0, 1]) {
      const names = inOrder.filter((name) => name.includes(`.${block}.`) && !name.includes('v_proj'));
      const weights = names.reduce((sum, name) => sum + (source.get(name)?.length ?? 0), 0);
      expected = without(names, Math.floor(0.5 * weights), expected);
    }
    expectSame(output, expected);
  });

  it('with a threshold prunes every weight below it, whatever the scope', async () => {
    const { path, output } = runFile('{method: magnitude, options: {scope: row, threshold: 0.0625}}');
    const { report } = await prune(path);
    // 0.0625 in bf16; a weight exactly on it stays.
    const below = smallest(inOrder).sizes.filter((size) => size < 0x3d80).length;
    expect(below).toBeGreaterThan(1000);
    expectSame(output, without(inOrder, below));
    expect(report.totals.zeros).toBe(below);
    for (const { target, sparsity } of report.layers) expect(target).toBe(sparsity);
    expect((await plan(path)).notes.join()).toContain('prune.options.threshold says what goes');
  });

  it('with scope model gives matrices an N of their own at N:M', async () => {
    const { path } = runFile('{method: magnitude, pattern: "16:32", options: {scope: model}}');
    const { report } = await prune(path);
    const patterns = report.layers.map(({ pattern }) => pattern);
    expect(new Set(patterns).size).toBeGreaterThan(1);
    for (const pattern of patterns) expect(pattern).toMatch(/^[1-3]?\d:32$/);
    const kept = report.layers.reduce((sum, { numel, zeros }) => sum + numel - zeros, 0);
    // One more of 32 in any linear would be too many, or all have a whole number.
    const largest = Math.max(...report.layers.map(({ numel }) => numel));
    expect(kept).toBeLessThanOrEqual(report.totals.prunable / 2);
    expect(kept).toBeGreaterThan(report.totals.prunable / 2 - largest / 32);
  });

  it('refuses two ways of sharing, and two goals', async () => {
    const twice = runFile('{method: magnitude, sparsity: 0.5, options: {scope: model}, allocation: alpha}');
    await expect(prune(twice.path)).rejects.toThrow(
      'prune.options.scope model of magnitude says how much each linear loses, and so does prune.allocation alpha',
    );
    const goals = runFile('{method: magnitude, sparsity: 0.5, options: {threshold: 0.1}}');
    await expect(prune(goals.path)).rejects.toBeInstanceOf(RequestError);
    await expect(prune(goals.path)).rejects.toThrow('exactly one of sparsity, pattern or options.threshold');
    const open = runFile('{method: magnitude, options: {threshold: 0.1}}');
    await expect(prune(open.path, { set: ['prune.sparsity=0.5'] })).rejects.toThrow(
      '--set prune.options.threshold= takes the other out',
    );
    const none = runFile('{method: wanda}', true);
    await expect(prune(none.path)).rejects.toThrow('missing sparsity or pattern');
  });
});

describe.each<[allocation: string, calibrated: boolean]>([
  ['{name: alpha, average: linear, epsilon: 0.1}', false],
  ['{name: alpha, tail: middle}', false],
  ['{name: global, among: block, bound: 0.05}', true],
  ['{name: loss, windows: 2}', true],
])('allocation: %s', (allocation, calibrated) => {
  it('gives linears unequal shares of exactly the goal, the same whatever the number of workers', async () => {
    const outputs = await Promise.all(
      [1, 3].map(async (workers) => {
        const { path, output } = runFile(
          `{method: magnitude, sparsity: 0.6, allocation: ${allocation}}`,
          calibrated,
        );
        const { report } = await prune(path, { set: [`resources.workers=${workers}`] });
        expect(new Set(report.layers.map(({ target }) => target)).size).toBeGreaterThan(1);
        const { zeros, prunable } = report.totals;
        expect(zeros).toBeLessThanOrEqual(0.6 * prunable);
        expect(zeros).toBeGreaterThan(0.6 * prunable - report.layers.length);
        return output;
      }),
    );
    expectSame(outputs[0] as string, linears(outputs[1] as string));
  });
});

it.each([
  ['{name: alpha, epsilon: 0.95}', true],
  ['{name: alpha, tail: middle, epsilon: 0.05}', false],
])('allocation %s: names linears of which little is left', async (allocation, isLittle) => {
  const { report } = await prune(
    runFile(`{method: magnitude, sparsity: 0.6, allocation: ${allocation}}`).path,
  );
  const emptied = report.layers.filter(({ zeros, numel }) => zeros > 0.95 * numel);
  expect(emptied.length > 0).toBe(isLittle);
  const note = report.notes.find((each) => each.startsWith('alpha takes more than 95 % of'));
  if (!isLittle) expect(note).toBeUndefined();
  else {
    expect(note).toContain(` ${emptied.length} linears, `);
    expect(note).toContain(emptied[0]?.name);
  }
});

it.each(['options: {scope: model}', 'allocation: {name: loss, windows: 2}'])(
  '%s: a run that was stopped goes on with the shares that it had',
  async (settings) => {
    const calibrated = settings.includes('loss');
    const undisturbed = runFile(`{method: magnitude, sparsity: 0.6, ${settings}}`, calibrated);
    await prune(undisturbed.path);
    const { path, output } = runFile(`{method: magnitude, sparsity: 0.6, ${settings}}`, calibrated);
    await pruneUntil(path, isPrunedBlock);
    const { report } = await prune(path);
    expect(report.phases.some(({ stage }) => stage === 'allocate')).toBe(false);
    expectSame(output, linears(undisturbed.output));
  },
);
