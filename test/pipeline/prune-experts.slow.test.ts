/** Runs on mixtures of experts, some of which get too few tokens. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { readSafetensorsHeader } from '../../src/checkpoint/safetensors-header.js';
import { checkpointModel } from '../../src/forward/checkpoint-model.js';
import { HiddenStates } from '../../src/forward/hidden-states.js';
import { ModelStream } from '../../src/forward/model-stream.js';
import { planWholeBlock } from '../../src/graph/block-passes.js';
import { type PruneResult, prune, RunError } from '../../src/index.js';
import type { BlockDescription } from '../../src/model/description.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { gblm } from '../../src/scores/gblm.js';
import { writeCharacterTokenizer } from '../support/character-tokenizer.js';
import { readFloats } from '../support/golden-model.js';
import { isPrunedBlock, pruneUntil } from '../support/prune-until.js';
import { fileHashes, quickstartRuns, refusal } from '../support/quickstart-runs.js';

const golden = fileURLToPath(new URL('../golden/families', import.meta.url));
const { folder, newPath, runFile } = quickstartRuns();

const [WINDOWS, TOKENS] = [3, 32];
const FIRST = 32;
const VOCABULARY = 96;
const text = join(folder, 'characters.txt');
const characters = readFileSync(fileURLToPath(new URL('../../README.md', import.meta.url)), 'utf8')
  .replace(/[^ -~]/g, '')
  .slice(0, WINDOWS * TOKENS + 1);
writeFileSync(text, characters);

/** A golden checkpoint with a tokenizer for which each printable character is a token. */
function model(family: string): string {
  const to = newPath(family);
  mkdirSync(to);
  for (const name of ['config.json', 'model.safetensors']) cpSync(join(golden, family, name), join(to, name));
  writeCharacterTokenizer(to, FIRST, VOCABULARY);
  return to;
}

const models = new Map(['qwen3-moe', 'gpt_oss'].map((family) => [family, model(family)]));

function expertsRun(
  family: string,
  experts: string,
  settings = '{method: wanda, sparsity: 0.5}',
  workers = 1,
) {
  return runFile({
    model: models.get(family) ?? '',
    calibration: `{data: ${text}, samples: ${WINDOWS}, sequence_length: ${TOKENS}, experts: ${experts}}`,
    prune: settings,
    resources: `{workers: ${workers}}`,
  });
}

/** By expert, how often it is named in notes, and the notes. */
function notesOfExperts({ report }: PruneResult): Map<string, string[]> {
  const notes = new Map<string, string[]>();
  for (const { name, notes: own } of report.layers) {
    const [expert] = /^.*\.experts\.\d+/.exec(name) ?? [];
    if (expert && own.length > 0) notes.set(expert, [...(notes.get(expert) ?? []), ...own]);
  }
  return notes;
}

/** What the first block sends to its experts, and with which weights. */
async function routedInFirstBlock(family: string) {
  const source = models.get(family) ?? '';
  const { model: described, locate } = checkpointModel(await openCheckpoint(source));
  const block = described.blocks[0] as BlockDescription;
  const passes = planWholeBlock(block, TOKENS);
  const pool = new WorkerPool(1);
  const stream = new ModelStream(described, pool);
  const path = newPath('states');
  const states = new HiddenStates(path, WINDOWS, TOKENS, described.hiddenSize, passes.recordBytes);
  const ids = Int32Array.from(characters.slice(0, WINDOWS * TOKENS), (each) => each.charCodeAt(0) - FIRST);
  await stream.embed(states, ids, locate);
  await stream.propagate(block, await stream.loadBlock(block, locate), states);
  stream.dispose();
  await pool.close();
  const file = readFileSync(path);
  const rows = (value: { offset: number; shape: readonly number[] } | undefined) =>
    Array.from({ length: WINDOWS }, (_, window) => {
      const [count = 0, width = 0] = value?.shape ?? [];
      const start = file.byteOffset + states.offset(window) + (value?.offset ?? 0);
      const all = new Float32Array(file.buffer.slice(start, start + count * width * 4));
      return Array.from({ length: count }, (_, row) => [...all.subarray(row * width, (row + 1) * width)]);
    }).flat();
  return { inputs: rows(passes.routed?.input), weights: rows(passes.routed?.weights) };
}

type Matrix = number[][];

function matrix(floats: ReadonlyMap<string, Float32Array>, name: string, columns: number): Matrix {
  const flat = floats.get(name) ?? new Float32Array();
  return Array.from({ length: flat.length / columns }, (_, row) => [
    ...flat.subarray(row * columns, (row + 1) * columns),
  ]);
}

const dot = (a: readonly number[], b: readonly number[]) =>
  a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);

/** The weights without the half of every row whose |weight|·‖input‖ is smallest (Sun et al. 2023). */
function wanda(weights: Matrix, inputs: Matrix): Matrix {
  return weights.map((row) => {
    const scores = row.map(
      (weight, j) => Math.abs(weight) * Math.hypot(...inputs.map((x) => x[j] as number)),
    );
    const order = [...row.keys()].sort((a, b) => (scores[a] as number) - (scores[b] as number));
    const gone = new Set(order.slice(0, Math.floor(row.length / 2)));
    return row.map((weight, j) => (gone.has(j) ? 0 : weight));
  });
}

const GOT =
  /^model\.layers\.\d+\.mlp\.experts\.\d+ gets (\d+) tokens of 3 calibration windows, fewer than 20: /;

describe('an expert that gets too few tokens', () => {
  it('stops the run, which names it and says what to do', async () => {
    const stopped = prune(expertsRun('qwen3-moe', '{minimum_tokens: 20}').path);
    await expect(stopped).rejects.toBeInstanceOf(RunError);
    await expect(stopped).rejects.toThrow(
      /^model\.layers\.0\.mlp\.experts\.\d+ gets \d+ tokens of 3 calibration windows, and calibration\.experts\.minimum_tokens is 20; take more samples, or set calibration\.experts\.fallback: all_tokens or magnitude\n/,
    );
  });

  it.each(['magnitude', 'all_tokens'])('%s: the report says it of its layers alone', async (fallback) => {
    const run = await prune(expertsRun('qwen3-moe', `{minimum_tokens: 20, fallback: ${fallback}}`).path);
    const { weights } = await routedInFirstBlock('qwen3-moe');
    const counts = weights[0]?.map((_, expert) => weights.filter((row) => row[expert] !== 0).length) ?? [];
    const notes = notesOfExperts(run);
    const said = fallback === 'magnitude' ? 'pruned by magnitude' : 'measured on all tokens';
    for (const own of notes.values()) {
      expect(own).toHaveLength(3);
      for (const note of own) expect(note.replace(GOT, '')).toBe(said);
    }
    expect(notes.size).toBeGreaterThan(0);
    expect(notes.size).toBeLessThan(16);
    // Attention of the first block is pruned before, so that tokens near a choice may go elsewhere.
    const starving = counts.filter((count) => count < 20).length;
    const noted = [...notes.keys()].filter((name) => name.startsWith('model.layers.0.')).length;
    expect(Math.abs(noted - starving)).toBeLessThanOrEqual(1);
    const methods = run.report.layers
      .filter(({ notes: own }) => own.length > 0)
      .map(({ method, output_error }) => [method, output_error !== null]);
    expect(new Set(methods.map(String))).toEqual(
      new Set([fallback === 'magnitude' ? 'magnitude,false' : 'wanda,true']),
    );
  });

  it('all_tokens: has the masks of what it would make of all tokens', async () => {
    const settings = '{method: wanda, sparsity: 0.5, rules: [{match: "*self_attn*", keep: dense}]}';
    const { output } = await prune(
      expertsRun('qwen3-moe', '{minimum_tokens: 1000, fallback: all_tokens}', settings).path,
    );
    const [before, after] = [models.get('qwen3-moe') ?? '', output].map((path) =>
      readFloats(join(path, 'model.safetensors')),
    ) as [Map<string, Float32Array>, Map<string, Float32Array>];
    const { inputs } = await routedInFirstBlock('qwen3-moe');
    for (const expert of [0, 5]) {
      const name = (linear: string) => `model.layers.0.mlp.experts.${expert}.${linear}.weight`;
      const [gate, up] = ['gate_proj', 'up_proj'].map((linear) => {
        const expected = wanda(matrix(before, name(linear), 32), inputs);
        expect(matrix(after, name(linear), 32), name(linear)).toEqual(expected);
        return expected;
      }) as [Matrix, Matrix];
      const hidden = inputs.map((x) =>
        gate.map((row, i) => {
          const gated = dot(row, x);
          return (gated / (1 + Math.exp(-gated))) * dot(up[i] ?? [], x);
        }),
      );
      const down = wanda(matrix(before, name('down_proj'), 20), hidden);
      expect(matrix(after, name('down_proj'), 20), name('down_proj')).toEqual(down);
    }
  });
});

it('gblm weighs the gradients of experts as those of other linears, however few tokens they get', async () => {
  const vectors = vi.spyOn(gblm, 'vectors');
  const { report } = await prune(
    expertsRun(
      'qwen3-moe',
      '{minimum_tokens: 1, fallback: magnitude}',
      '{method: gblm, sparsity: 0.5, options: {tokens: 16}}',
    ).path,
  );
  expect(vectors).toHaveBeenCalledTimes(report.layers.filter(({ method }) => method === 'gblm').length);
  for (const [inputs] of vectors.mock.calls) {
    expect(inputs).toMatchObject({ tokens: WINDOWS * TOKENS, gradientTokens: 16 });
  }
  vectors.mockRestore();
});

describe('an expert that gets too few tokens for its gradients', () => {
  const fallback = '{minimum_tokens: 20, fallback: magnitude}';

  it.each(['obd, options: {hessian: fisher}'])(
    '%s: is pruned by magnitude, the others by the method, and a resumed run knows it',
    async (method) => {
      const settings = `{method: ${method}, sparsity: 0.5, rules: [{match: "*self_attn*", keep: dense}]}`;
      const once = await prune(expertsRun('qwen3-moe', fallback, settings).path);
      const notes = notesOfExperts(once);
      expect(notes.size).toBeGreaterThan(0);
      expect(notes.size).toBeLessThan(16);
      const before = readFloats(join(models.get('qwen3-moe') ?? '', 'model.safetensors'));
      const after = readFloats(join(once.output, 'model.safetensors'));
      for (const layer of once.report.layers) {
        if (layer.method === 'dense') continue;
        const isStarved = notes.has(layer.name.replace(/\.[a-z_]+$/, ''));
        expect(layer.method === 'magnitude', layer.name).toBe(isStarved);
        const [source, pruned] = [before, after].map((of) =>
          of.get(`${layer.name}.weight`),
        ) as Float32Array[];
        const order = [...(source?.map(Math.abs).entries() ?? [])].sort(([, a], [, b]) => a - b);
        const gone = order.slice(0, order.length / 2);
        expect(gone.every(([index]) => pruned?.[index] === 0)).toBe(isStarved);
      }
      const { path, output } = expertsRun('qwen3-moe', fallback, settings);
      await pruneUntil(path, isPrunedBlock);
      expect(notesOfExperts(await prune(path))).toEqual(notes);
      expect(fileHashes(output)).toEqual(fileHashes(once.output));
    },
  );

  it('stops the run', async () => {
    const run = expertsRun('qwen3-moe', '{minimum_tokens: 20}', '{method: gradient, sparsity: 0.5}');
    await expect(prune(run.path)).rejects.toThrow(
      /experts\.\d+ gets \d+ tokens of 3 windows that gradients are taken over, .* or set calibration\.experts\.fallback: magnitude\n/,
    );
  });

  it('is not measured on all tokens', async () => {
    const all = '{minimum_tokens: 20, fallback: all_tokens}';
    const run = expertsRun('qwen3-moe', all, '{method: gblm, sparsity: 0.5}');
    expect(await refusal(prune(run.path))).toMatch(
      /^calibration\.experts\.fallback: gblm learns from gradients/,
    );
  });
});

const BF16_OF_MINUS_A_MILLION = 0xc974;

describe('an expert that no token goes to', () => {
  const lonely = model('gpt_oss');
  const weights = join(lonely, 'model.safetensors');
  const file = readFileSync(weights);
  for (const [name, { offset }] of readSafetensorsHeader(weights).tensors) {
    if (name.endsWith('router.bias')) file.writeUInt16LE(BF16_OF_MINUS_A_MILLION, offset + 2);
  }
  writeFileSync(weights, file);
  models.set('lonely', lonely);

  it.each(['sparsegpt', 'gblm'])('%s: is pruned by magnitude', async (method) => {
    const run = expertsRun(
      'lonely',
      '{minimum_tokens: 1, fallback: magnitude}',
      `{method: ${method}, pattern: "2:4"}`,
    );
    const { report } = await prune(run.path);
    const own = report.layers.filter(({ name }) => /experts\.1\./.test(name));
    expect(own.length).toBeGreaterThan(0);
    for (const { method: by, notes, zeros, numel } of own) {
      expect(by).toBe('magnitude');
      expect(notes.join()).toMatch(/gets 0 tokens of 3 .*, fewer than 1: pruned by magnitude$/);
      expect(zeros).toBe(numel / 2);
    }
  });

  it('no number of tokens is too few for the setting but none', async () => {
    const run = expertsRun('lonely', '{minimum_tokens: 0}');
    expect(await refusal(prune(run.path))).toMatch(/minimum_tokens/);
  });
});

describe.each([
  ['qwen3-moe', 2],
  ['gpt_oss', 4],
])('experts of %s', (family, workers) => {
  const experts = '{minimum_tokens: 20, fallback: all_tokens}';
  const settings = '{method: sparsegpt, pattern: "2:4"}';

  it(`are the same bytes for ${workers} workers, and after a run that was stopped`, async () => {
    const one = await prune(expertsRun(family, experts, settings).path);
    const several = await prune(expertsRun(family, experts, settings, workers).path);
    expect(fileHashes(several.output)).toEqual(fileHashes(one.output));
    const { path, output } = expertsRun(family, experts, settings);
    await pruneUntil(path, isPrunedBlock);
    await prune(path);
    expect(fileHashes(output)).toEqual(fileHashes(one.output));
  });
});
