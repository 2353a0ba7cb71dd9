/** Whole runs on the quickstart model. */
import { createHash } from 'node:crypto';
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { readSafetensorsHeader } from '../../src/checkpoint/safetensors-header.js';
import { InterruptedError, inspect, type ProgressEvent, plan, prune, RequestError } from '../../src/index.js';
import { reportSchema } from '../../src/report/report-schema.js';
import { makeShallowModel } from '../support/shallow-model.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'secateur-test-'));
const quickstart = join(root, 'models/quickstart');
afterAll(() => rmSync(folder, { recursive: true }));
/** With two of its six blocks. */
const shallow = join(folder, 'shallow');
makeShallowModel(quickstart, shallow, 2);

interface Changes {
  model?: string;
  output?: string;
  prune?: string;
  calibration?: string | null;
  evaluation?: string;
  rest?: string;
}

let count = 0;
/** Writes a run file with small, quick settings. */
function runFile(changes: Changes = {}): { path: string; output: string } {
  const path = join(folder, `run-${count++}.yaml`);
  const output = changes.output ?? join(folder, `out-${count}`);
  const calibration =
    changes.calibration === null
      ? ''
      : `calibration: ${changes.calibration ?? `{data: ${join(root, 'calibration/general.jsonl')}, samples: 6, sequence_length: 64}`}`;
  writeFileSync(
    path,
    [
      `model: ${changes.model ?? quickstart}`,
      `output: ${output}`,
      calibration,
      `prune: ${changes.prune ?? '{method: sparsegpt, sparsity: 0.5}'}`,
      changes.evaluation ? `evaluation: ${changes.evaluation}` : '',
      changes.rest ?? '',
    ].join('\n'),
  );
  return { path, output };
}

/** SHA-256 of every file of a checkpoint, without the run's own folder. */
function files(output: string): Record<string, string> {
  const names = readdirSync(output, { withFileTypes: true }).filter((entry) => entry.isFile());
  const hash = (name: string) =>
    createHash('sha256')
      .update(readFileSync(join(output, name)))
      .digest('hex');
  return Object.fromEntries(names.map(({ name }) => [name, hash(name)]));
}

/** SHA-256 of every tensor of a checkpoint. */
function tensorHashes(output: string): Record<string, string> {
  const shards = readdirSync(output).filter((name) => name.endsWith('.safetensors'));
  return Object.fromEntries(
    shards.flatMap((shard) => {
      const bytes = readFileSync(join(output, shard));
      const start = 8 + Number(bytes.readBigUInt64LE(0));
      const header = JSON.parse(bytes.toString('utf8', 8, start));
      delete header.__metadata__;
      return Object.entries(header as Record<string, { data_offsets: [number, number] }>).map(
        ([
          name,
          {
            data_offsets: [from, to],
          },
        ]) => [
          name,
          createHash('sha256')
            .update(bytes.subarray(start + from, start + to))
            .digest('hex'),
        ],
      );
    }),
  );
}

async function refusal(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(RequestError);
  return (error as Error).message;
}

describe('a run', () => {
  it.each([
    ['magnitude', 'sparsity: 0.3', 0.3],
    ['magnitude', 'pattern: "1:4"', 0.75],
    ['wanda', 'sparsity: 0.61', 0.61],
    ['wanda', 'pattern: "4:8"', 0.5],
    ['sparsegpt', 'sparsity: 0.37', 0.37],
    ['sparsegpt', 'pattern: "2:4"', 0.5],
    ['sparsegpt', 'sparsity: 0.37, options: {order: activation}', 0.37],
    ['thanos', 'sparsity: 0.37', 0.37],
    ['thanos', 'pattern: "2:4"', 0.5],
    ['ria', 'sparsity: 0.61', 0.61],
    ['alps', 'sparsity: 0.37, options: {iterations: 6}', 0.37],
    ['admm', 'pattern: "2:4", options: {iterations: 4, gradual: 3}', 0.5],
  ])('%s with %s: exact zeros, valid groups, everything else untouched', async (method, goal, sparsity) => {
    const { path, output } = runFile({ prune: `{method: ${method}, ${goal}}` });
    const { report } = await prune(path);
    expect(reportSchema.parse(report)).toEqual(report);
    const [, pattern] = /"(\d+:\d+)"/.exec(goal) ?? [];
    const inspected = await inspect(output, { pattern });
    expect(report.layers).toHaveLength(42);
    for (const layer of report.layers) {
      const tensor = inspected.tensors.find(({ name }) => name === `${layer.name}.weight`);
      const [rows, columns] = layer.shape;
      const wanted =
        ['wanda', 'ria'].includes(method) && !pattern
          ? rows * Math.floor(columns * sparsity)
          : Math.floor(layer.numel * sparsity);
      expect(tensor?.zeros).toBe(layer.zeros);
      expect(layer.zeros).toBe(wanted);
      if (pattern) expect(tensor?.violations).toBe(0);
      if (method === 'magnitude') {
        expect(layer.output_error).toBeNull();
        continue;
      }
      expect(layer.output_error).toBeGreaterThan(0);
      expect(layer.output_error).toBeLessThan(1);
    }
    const source = files(quickstart);
    const written = files(output);
    expect(written['config.json']).toBe(source['config.json']);
    expect(written['tokenizer.json']).toBe(source['tokenizer.json']);
    const embedding = inspected.tensors.find(({ name }) => name === 'model.embed_tokens.weight');
    expect(embedding?.zeros).toBe(0);
    expect(inspected.tensors.map(({ name }) => name).sort()).toEqual(
      [...readdirSync(quickstart)]
        .filter((name) => name.endsWith('.safetensors'))
        .flatMap((name) => [...readSafetensorsHeader(join(quickstart, name)).tensors.keys()])
        .sort(),
    );
  });

  it.each(['least_squares', '{name: admm, iterations: 12}'])(
    'update: %s gives other weights to what a method left, and a smaller output error',
    async (update) => {
      const alone = runFile({ model: shallow, prune: '{method: wanda, pattern: "2:4"}' });
      const updated = runFile({
        model: shallow,
        prune: `{method: wanda, pattern: "2:4", update: ${update}}`,
      });
      const [before, after] = [await prune(alone.path), await prune(updated.path)];
      for (const [i, layer] of after.report.layers.entries()) {
        expect(layer.zeros).toBe(before.report.layers[i]?.zeros);
        expect(layer.method).toMatch(/^wanda \+ /);
        expect(layer.predicted_loss).toBeGreaterThan(0);
      }
      // What is measured before any linear is updated has the same inputs.
      const first = (report: typeof after.report) =>
        report.layers.find(({ name }) => name === 'model.layers.0.self_attn.q_proj')?.output_error ?? 0;
      expect(first(after.report)).toBeLessThan(0.9 * first(before.report));
    },
  );

  it.each(['magnitude', 'wanda'])(
    'allocation owl: %s loses more in some blocks, as much in all',
    async (method) => {
      const goal =
        'sparsity: 0.6, allocation: {name: owl, windows: 4}, rules: [{match: "*.k_proj", keep: dense}]';
      const { path, output } = runFile({ prune: `{method: ${method}, ${goal}}` });
      const { report } = await prune(path);
      const layers = report.layers.filter(({ method: own }) => own !== 'dense');
      const numel = layers.reduce((sum, layer) => sum + layer.numel, 0);
      const rows = layers.reduce((sum, { shape }) => sum + shape[0], 0);
      const zeros = layers.reduce((sum, layer) => sum + layer.zeros, 0);
      // Each row, or each matrix, is rounded down.
      expect(zeros).toBeLessThanOrEqual(0.6 * numel);
      expect(zeros).toBeGreaterThan(0.6 * numel - (method === 'wanda' ? rows : layers.length));
      const targets = new Set(layers.map(({ target }) => target.toFixed(6)));
      expect(targets.size).toBeGreaterThan(1);
      expect(report.phases.some(({ stage }) => stage === 'allocate')).toBe(true);
      const again = runFile({ prune: `{method: ${method}, ${goal}}` });
      await prune(again.path);
      expect(tensorHashes(again.output)).toEqual(tensorHashes(output));
    },
  );

  it.each([
    ['wanda', 'tensor', false],
    ['magnitude', 'row', true],
  ])('%s with scope %s', async (method, scope, perRow) => {
    const { path, output } = runFile({
      model: shallow,
      prune: `{method: ${method}, sparsity: 0.61, options: {scope: ${scope}}}`,
    });
    const { report } = await prune(path);
    for (const { shape, numel, zeros } of report.layers) {
      const [rows, columns] = shape;
      expect(zeros).toBe(perRow ? rows * Math.floor(columns * 0.61) : Math.floor(numel * 0.61));
    }
    expect(Object.keys(files(output)).length).toBeGreaterThan(3);
  });

  it.each([
    ['gblm, options: {windows: 4}', true],
    ['gradient', false],
    ['gradient, options: {taylor: second, windows: 4}', false],
    ['obd, options: {hessian: fisher}', false],
    ['wanda++, options: {rounds: 0}', true],
    [
      'gblm, options: {windows: 4}, update: {name: regional, rounds: 2, round_windows: 4, batch: 3, learning_rate: 0.001}',
      true,
    ],
    ['wanda++, options: {rounds: 2, round_windows: 2, learning_rate: 0.001}', true],
    ['wanda++, options: {rounds: 2, round_windows: 2, batch: 2, learning_rate: 0.001, regrow: true}', true],
  ])('%s: exact zeros, the same bytes with any number of workers', async (method, perRow) => {
    const outputs = [];
    for (const workers of [1, 3]) {
      const { path, output } = runFile({
        model: shallow,
        prune: `{method: ${method}, sparsity: 0.61, rules: [{match: "*.1.mlp.*", keep: dense}]}`,
        rest: `resources: {workers: ${workers}}`,
      });
      const { report } = await prune(path);
      for (const layer of report.layers) {
        const [rows, columns] = layer.shape;
        const wanted = perRow ? rows * Math.floor(columns * 0.61) : Math.floor(layer.numel * 0.61);
        expect(layer.zeros).toBe(layer.method === 'dense' ? 0 : wanted);
      }
      expect(report.layers.filter((layer) => layer.method === 'dense')).toHaveLength(3);
      expect(report.phases.some(({ phase }) => phase === 'backward')).toBe(true);
      expect(readdirSync(join(output, 'secateur')).filter((name) => /f32|hidden/.test(name))).toEqual([]);
      outputs.push(tensorHashes(output));
    }
    expect(outputs[1]).toEqual(outputs[0]);
  });

  it('an allocation that looks at activations needs calibration', async () => {
    const given = runFile({
      prune: '{method: magnitude, sparsity: 0.5, allocation: owl}',
      calibration: null,
    });
    expect(await refusal(prune(given.path))).toContain('prune.allocation owl learns from calibration');
  });

  it.each<[string, number, RegExp]>([
    ['{method: wanda, sparsity: 0.6, refine: dsnot}', 0.6, /^wanda \+ dsnot$/],
    [
      '{method: wanda, pattern: "2:4", refine: {name: dsnot, cycles: 20}, update: least_squares}',
      0.5,
      /^wanda \+ dsnot \+ least_squares$/,
    ],
  ])(
    '%s: other masks with as many zeros, the same bytes with any number of workers',
    async (given, sparsity, name) => {
      const plain = runFile({ model: shallow, prune: given.replace(/, refine.*/, '}') });
      await prune(plain.path);
      const outputs = [];
      for (const workers of [1, 3]) {
        const rest = `resources: {workers: ${workers}}`;
        const { path, output } = runFile({ model: shallow, prune: given, rest });
        const { report } = await prune(path);
        const [, pattern] = /"(\d+:\d+)"/.exec(given) ?? [];
        const { tensors } = await inspect(output, { pattern });
        for (const layer of report.layers) {
          const tensor = tensors.find((each) => each.name === `${layer.name}.weight`);
          const [rows, columns] = layer.shape;
          expect(layer.method).toMatch(name);
          expect(tensor?.zeros).toBe(rows * Math.floor(columns * sparsity));
          if (pattern) expect(tensor?.violations).toBe(0);
        }
        outputs.push(tensorHashes(output));
      }
      const [first = {}, second] = outputs;
      expect(second).toEqual(first);
      const before = tensorHashes(plain.output);
      const linears = Object.keys(first).filter((each) => each.endsWith('_proj.weight'));
      const changed = linears.filter((each) => first[each] !== before[each]);
      expect(changed.length).toBeGreaterThan(0.8 * linears.length);
    },
  );

  it('an update needs calibration, whatever the method', async () => {
    const given = runFile({
      prune: '{method: magnitude, sparsity: 0.5, update: least_squares}',
      calibration: null,
    });
    expect(await refusal(prune(given.path))).toContain('magnitude + least_squares learns from calibration');
  });

  it('magnitude needs no calibration', async () => {
    const { path } = runFile({ calibration: null, prune: '{method: magnitude, sparsity: 0.5}' });
    const { report } = await prune(path);
    expect(report.layers[0]?.output_error).toBeNull();
    expect(report.totals.sparsity).toBe(0.5);
  });

  it('follows rules, first match first', async () => {
    const rules = '[{match: "model.layers.0.*", keep: dense}, {match: "*.down_proj", pattern: "1:4"}]';
    const { path } = runFile({ prune: `{method: wanda, sparsity: 0.5, rules: ${rules}}` });
    const { report } = await prune(path);
    for (const layer of report.layers) {
      const expected = layer.block === 0 ? 0 : layer.name.endsWith('down_proj') ? 0.75 : 0.5;
      expect(layer.sparsity).toBe(expected);
    }
    expect(report.layers.filter(({ method }) => method === 'dense')).toHaveLength(7);
  });

  it('evaluates before and after, on held-out and on calibration text', async () => {
    const { path } = runFile({
      evaluation: '{data: text.txt, context: 64, calibration_windows: 3}',
    });
    cpSync(join(root, 'docs/architecture.md'), join(folder, 'text.txt'));
    const { report } = await prune(path);
    for (const entry of [report.evaluation, report.calibration_evaluation]) {
      expect(entry?.dense?.perplexity).toBeGreaterThan(1);
      expect(entry?.pruned?.perplexity).not.toBe(entry?.dense?.perplexity);
      expect(entry?.tokens).toBe((entry?.windows ?? 0) * 63);
    }
    expect(report.calibration_evaluation?.windows).toBe(3);
  });

  it('measures dense inputs when asked to: only what lies behind pruned linears differs', async () => {
    const tensors = [];
    for (const inputs of ['pruned', 'mixed', 'dense']) {
      const data = join(root, 'calibration/general.jsonl');
      const { path, output } = runFile({
        model: shallow,
        calibration: `{data: ${data}, samples: 6, sequence_length: 64, inputs: ${inputs}}`,
        prune: '{method: wanda, sparsity: 0.5}',
      });
      await prune(path);
      tensors.push(tensorHashes(output));
    }
    const [pruned = {}, dense = {}] = tensors;
    const changed = Object.keys(pruned).filter((name) => pruned[name] !== dense[name]);
    expect(changed).not.toContain('model.layers.0.self_attn.q_proj.weight');
    expect(changed).toContain('model.layers.0.mlp.down_proj.weight');
    expect(changed).toContain('model.layers.1.self_attn.q_proj.weight');
    expect(changed.every((name) => name.endsWith('_proj.weight'))).toBe(true);
  });

  it('writes the same bytes with 1, 2 and 4 workers, and twice with 2, in any number of shards', async () => {
    const outputs = [];
    for (const workers of [1, 2, 4, 2]) {
      const { path, output } = runFile({
        rest: `resources: {workers: ${workers}}\nwrite: {max_shard_size: 2MB}`,
      });
      await prune(path);
      outputs.push(files(output));
    }
    expect(Object.keys(outputs[0] ?? {}).filter((name) => name.endsWith('.safetensors'))).toHaveLength(3);
    for (const output of outputs) expect(output).toEqual(outputs[0]);
  });
});

describe('a run that was stopped', () => {
  /** What each kind of run gives undisturbed, pruned once. */
  const undisturbed = new Map<string, Promise<Record<string, string>>>();
  const expectedFiles = (changes: Changes = {}) => {
    const key = JSON.stringify(changes);
    const known = undisturbed.get(key) ?? prune(runFile(changes).path).then((run) => files(run.output));
    undisturbed.set(key, known);
    return known;
  };

  it.each([0, 2, 5])('after block %i goes on to the same bytes', async (last) => {
    const expected = await expectedFiles();
    const { path, output } = runFile();
    const controller = new AbortController();
    const onProgress = (event: ProgressEvent) => {
      if (event.kind === 'block' && event.stage === 'prune' && event.block === last) controller.abort();
    };
    const stopped = prune(path, { onProgress, signal: controller.signal });
    await expect(stopped).rejects.toBeInstanceOf(InterruptedError);
    const blocks: number[] = [];
    const { report } = await prune(path, {
      onProgress: (event) => {
        if (event.kind === 'block' && event.stage === 'prune') blocks.push(event.block);
      },
    });
    expect(blocks).toEqual([0, 1, 2, 3, 4, 5].slice(last + 1));
    expect(report.layers).toHaveLength(42);
    expect(files(output)).toEqual(expected);
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
    const controller = new AbortController();
    const stopped = prune(path, {
      signal: controller.signal,
      onProgress: (event) => {
        if (stopsAt(event)) controller.abort();
      },
    });
    await expect(stopped).rejects.toBeInstanceOf(InterruptedError);
    expect(readdirSync(join(output, 'secateur')).includes('gradients.f32')).toBe(!again);
    const { report } = await prune(path);
    expect(report.phases.some(({ stage }) => stage === 'gradients')).toBe(again);
    expect(files(output)).toEqual(expected);
  });

  it('after a block that was optimised: goes on to the same bytes', async () => {
    const changes = {
      model: shallow,
      prune:
        '{method: wanda++, pattern: "2:4", options: {rounds: 1, round_windows: 3, learning_rate: 0.001}}',
    };
    const expected = await expectedFiles(changes);
    const { path, output } = runFile(changes);
    const controller = new AbortController();
    const stopped = prune(path, {
      signal: controller.signal,
      onProgress: (event) => {
        if (event.kind === 'step' && event.block === 1 && event.phase === 'backward') controller.abort();
      },
    });
    await expect(stopped).rejects.toBeInstanceOf(InterruptedError);
    expect(readdirSync(join(output, 'secateur')).some((name) => name.startsWith('regional'))).toBe(false);
    await prune(path);
    expect(files(output)).toEqual(expected);
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

describe('a wrong request is refused before anything is written', () => {
  let model: string;
  beforeEach(() => {
    model = join(folder, `model-${count++}`);
    cpSync(quickstart, model, { recursive: true });
  });

  async function refusedUnwritten(changes: Changes): Promise<string> {
    const { path, output } = runFile({ model, ...changes });
    const message = await refusal(prune(path));
    expect(() => readdirSync(output)).toThrow(/ENOENT/);
    return message;
  }

  /** Overwrites two bytes of a stored tensor. */
  function poison(name: string, element: number, bits: number): string {
    for (const file of readdirSync(model).filter((each) => each.endsWith('.safetensors'))) {
      const path = join(model, file);
      const tensor = readSafetensorsHeader(path).tensors.get(name);
      if (!tensor) continue;
      const bytes = readFileSync(path);
      bytes.writeUInt16LE(bits, tensor.offset + element * 2);
      writeFileSync(path, bytes);
      return path;
    }
    throw new Error(`no tensor ${name}`);
  }

  function editConfig(change: object): void {
    const path = join(model, 'config.json');
    writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...change }));
  }

  it.each([
    ['NaN', 0x7fc0],
    ['Infinity', 0x7f80],
  ])('%s in a weight', async (value, bits) => {
    poison('model.layers.3.mlp.up_proj.weight', 1234, bits);
    const message = await refusedUnwritten({});
    expect(message).toContain(`model.layers.3.mlp.up_proj.weight holds ${value} at index 1234`);
  });

  it('a pattern that does not divide the input size', async () => {
    expect(await refusedUnwritten({ prune: '{method: wanda, pattern: "2:5"}' })).toMatch(
      /self_attn\.q_proj.*2:5.*192/,
    );
  });

  it('a misspelt key, with its place and the nearest spelling', async () => {
    const message = await refusedUnwritten({ prune: '{method: wanda, sparsty: 0.5}' });
    expect(message).toMatch(/run-\d+\.yaml:4:\d+/);
    expect(message).toContain('sparsity');
  });

  it('a method that needs calibration without it', async () => {
    expect(await refusedUnwritten({ calibration: null })).toMatch(/calibration/);
  });

  it('a rule that matches nothing', async () => {
    const prune = '{method: wanda, sparsity: 0.5, rules: [{match: "*.down_porj", keep: dense}]}';
    expect(await refusedUnwritten({ prune })).toMatch(/down_porj matches no linear/);
  });

  it('too little calibration text, with both numbers', async () => {
    const text = join(folder, 'short.txt');
    writeFileSync(text, 'Only a few words.');
    const message = await refusedUnwritten({
      calibration: `{data: ${text}, samples: 4, sequence_length: 64}`,
    });
    expect(message).toMatch(/256/);
  });

  it('a shape that disagrees with the config', async () => {
    editConfig({ intermediate_size: 513 });
    expect(await refusedUnwritten({})).toMatch(
      /gate_proj\.weight has shape \[512, 192\], config\.json implies \[513, 192\]/,
    );
  });

  it('another family, by name', async () => {
    editConfig({ model_type: 'gemma2' });
    expect(await refusedUnwritten({})).toMatch(/model_type gemma2 is not supported yet; supported: llama/);
  });

  it('a vocabulary smaller than the tokenizer', async () => {
    editConfig({ vocab_size: 1000 });
    expect(await refusedUnwritten({})).toMatch(/embed_tokens|vocab/);
  });

  it('a missing tokenizer, shard, index, model', async () => {
    rmSync(join(model, 'tokenizer.json'));
    expect(await refusedUnwritten({})).toMatch(/tokenizer\.json/);
    rmSync(join(model, 'model-00002-of-00002.safetensors'));
    expect(await refusedUnwritten({})).toMatch(/model-00002-of-00002\.safetensors/);
    rmSync(join(model, 'model.safetensors.index.json'));
    expect(await refusedUnwritten({})).toMatch(/model\.safetensors/);
    rmSync(model, { recursive: true });
    expect(await refusedUnwritten({})).toContain(model);
  });

  it('a shard cut short', async () => {
    truncateSync(join(model, 'model-00001-of-00002.safetensors'), 100_000);
    expect(await refusedUnwritten({})).toMatch(/model-00001-of-00002\.safetensors/);
  });

  it('an output that is the model folder, lies in it, or holds something else', async () => {
    const link = join(folder, `link-${count++}`);
    symlinkSync(model, link);
    for (const output of [model, link, join(model, 'out')]) {
      expect(await refusal(prune(runFile({ model, output }).path))).toMatch(/model folder/);
    }
    const other = join(folder, `other-${count++}`);
    cpSync(join(root, 'configs'), other, { recursive: true });
    expect(await refusal(prune(runFile({ model, output: other }).path, { fresh: true }))).toMatch(
      /holds something else/,
    );
    expect(files(model)).toEqual(files(quickstart));
  });

  it('a memory limit that is too small, with what would be enough', async () => {
    expect(await refusedUnwritten({ rest: 'resources: {memory_limit: 50MB}' })).toMatch(
      /needs at least (\d+) MB.*memory_limit: \1MB is the smallest that works/,
    );
  });
});

describe('a plan', () => {
  it('says what a run will do', async () => {
    const { path } = runFile({ prune: '{method: sparsegpt, pattern: "2:4"}' });
    const planned = await plan(path);
    expect(planned.totals.prunable).toBe(2_359_296);
    expect(planned.totals.zeros).toBe(planned.totals.prunable / 2);
    expect(planned.layers).toHaveLength(42);
    expect(planned.bytes.written).toBe(5_510_016);
    expect(planned.bytes.scratch).toBeGreaterThanOrEqual(6 * 64 * 192 * 4);
    const { peakBytes, parts } = planned.memory;
    expect(parts.reduce((sum, { bytes }) => sum + bytes, 0)).toBeCloseTo(peakBytes, 0);
    expect(planned.seconds.evaluation).toBe(0);
    expect(planned.seconds.total).toBe(planned.seconds.prune);
    expect(planned.flops).toMatchObject({ propagate: expect.any(Number), evaluation: 0 });
    const { report } = await prune(path);
    expect(report.totals.zeros).toBe(planned.totals.zeros);
  });

  it('counts the gradients of the tokens that are asked for, and says so', async () => {
    const model = join(folder, `model-${count++}`);
    cpSync(quickstart, model, { recursive: true });
    const config = join(model, 'config.json');
    const longer = { ...JSON.parse(readFileSync(config, 'utf8')), max_position_embeddings: 1024 };
    writeFileSync(config, JSON.stringify(longer));
    const plans = [];
    for (const [method, length, options] of [
      ['gblm', 512, '{}'],
      ['gblm', 1024, '{}'],
      ['gblm', 1024, '{tokens: 512}'],
      ['wanda', 1024, '{}'],
    ] as const) {
      const data = join(root, 'calibration/general.jsonl');
      const { path } = runFile({
        model,
        calibration: `{data: ${data}, samples: 3, sequence_length: ${length}}`,
        prune: `{method: ${method}, sparsity: 0.5, options: ${options}}`,
      });
      plans.push(await plan(path));
    }
    const [short, long, beginnings, none] = plans;
    const note = 'gradients are taken over the first 512 of 1024 tokens of 3 calibration windows';
    expect(beginnings?.notes).toContain(note);
    for (const whole of [short, long]) expect(whole?.notes.join()).not.toContain('gradients are taken over');
    expect(beginnings?.flops.gradients).toBe(short?.flops.gradients);
    expect(long?.flops.gradients).toBeGreaterThan(2 * (short?.flops.gradients ?? 0));
    // A forward, and a forward with a backward of twice as much, of at least all linears.
    expect(short?.flops.gradients).toBeGreaterThan(4 * 2 * 2_359_296 * 3 * 512);
    expect(none?.flops.gradients).toBe(0);
  });

  it('counts an evaluation without calibration', async () => {
    const data = join(root, 'calibration/heldout.txt');
    const plans = await Promise.all(
      [1, 2].map(async (windows) => {
        const evaluation = `{data: ${data}, context: 64, windows: ${windows}}`;
        return await plan(
          runFile({ prune: '{method: magnitude, sparsity: 0.5}', calibration: null, evaluation }).path,
        );
      }),
    );
    const [one = 0, two = 0] = plans.map(({ flops }) => flops.evaluation);
    expect(one).toBeGreaterThan(2 * 64 * 2 * 2_359_296);
    expect(two).toBe(2 * one);
  });
});
