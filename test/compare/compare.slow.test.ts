/** A whole comparison on the quickstart model. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { compare, evaluate, InterruptedError, prune, RequestError, RunError } from '../../src/index.js';
import { makeFamilyModel } from '../support/family-model.js';
import { makeShallowModel } from '../support/shallow-model.js';
import { writeShortText } from '../support/short-text.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'secateur-compare-'));
afterAll(() => rmSync(folder, { recursive: true }));
const model = join(folder, 'model');
makeShallowModel(join(root, 'models/quickstart'), model, 2);
const text = writeShortText(folder);

const heldOut = join(root, 'calibration/heldout.txt');
const runFile = (output: string, evaluation = `evaluation: {data: ${heldOut}, context: 128, windows: 3}`) => {
  const path = join(folder, 'run.yaml');
  writeFileSync(
    path,
    [
      `model: ${model}`,
      `output: ${join(folder, output)}`,
      `calibration: {data: ${text}, samples: 4, sequence_length: 64}`,
      'prune: {method: magnitude, sparsity: 0.5}',
      evaluation,
    ].join('\n'),
  );
  return path;
};

it('gives for each method what pruning and evaluating by hand gives, once', async () => {
  const path = runFile('all');
  const lines: string[] = [];
  const options = { methods: ['magnitude', 'wanda+least_squares'], goals: ['2:4'] };
  const { output, comparison } = await compare(path, { ...options, onLine: (line) => lines.push(line) });
  expect(lines.some((line) => line.startsWith('wanda+least_squares 2:4: '))).toBe(true);
  expect(comparison.rows.map(({ method, goal }) => `${method} ${goal}`)).toEqual([
    'magnitude 2:4',
    'wanda+least_squares 2:4',
  ]);

  const byHand = join(folder, 'by-hand');
  const { report } = await prune(path, {
    set: [`output=${byHand}`, 'evaluation=', 'prune={method: wanda, pattern: "2:4", update: least_squares}'],
  });
  const { checkpoint, tokens } = await evaluate(byHand, { data: heldOut, context: 128, windows: 3 });
  const [, row] = comparison.rows;
  expect(row).toMatchObject({
    sparsity: report.totals.sparsity,
    perplexity: checkpoint.perplexity,
    standard_error: checkpoint.standard_error,
  });
  const errors = report.layers.map((layer) => layer.output_error ?? 0);
  expect(errors).toHaveLength(14);
  expect(row?.output_error).toBeCloseTo(errors.reduce((sum, error) => sum + error, 0) / 14, 12);
  expect(comparison.rows[0]?.output_error).toBeNull();
  expect(comparison.evaluation.tokens).toBe(tokens);
  const dense = await evaluate(model, { data: heldOut, context: 128, windows: 3 });
  expect(comparison.dense.perplexity).toBe(dense.checkpoint.perplexity);

  // Reports stay, weights don't.
  const own = join(output, 'wanda-least_squares-2of4');
  expect(existsSync(join(own, 'secateur/report.html'))).toBe(true);
  expect(existsSync(join(own, 'model.safetensors'))).toBe(false);
  const page = readFileSync(join(output, 'compare.html'), 'utf8');
  expect(page).toContain('href="wanda-least_squares-2of4/secateur/report.html"');
  expect(page).toContain('<svg');

  // What is there isn't done again, and stays when others are asked for.
  const written = statSync(join(own, 'secateur/report.json')).mtimeMs;
  const again = await compare(path, { methods: ['wanda+least_squares', 'wanda'], goals: ['2:4'] });
  expect(statSync(join(own, 'secateur/report.json')).mtimeMs).toBe(written);
  expect(again.comparison.rows.map(({ method }) => method)).toEqual([
    'magnitude',
    'wanda+least_squares',
    'wanda',
  ]);
  expect(again.comparison.rows[1]).toEqual(row);
  expect(existsSync(join(output, 'wanda-2of4/config.json'))).toBe(true);
}, 120_000);

it('is refused before any work when the request is wrong', async () => {
  const options = { methods: ['magnitude'], goals: ['0.5'] };
  await expect(compare(runFile('wrong', ''), options)).rejects.toThrow('compare needs evaluation');
  await expect(compare(runFile('wrong'), { ...options, methods: ['magnitud'] })).rejects.toThrow(
    RequestError,
  );
  expect(existsSync(join(folder, 'wrong'))).toBe(false);
});

it('refuses a goal that does not fit the model before any work, with the method and the linear', async () => {
  const options = { methods: ['magnitude', 'wanda'], goals: ['2:4', '2:5'] };
  const attempt = compare(runFile('unfitting'), options);
  await expect(attempt).rejects.toBeInstanceOf(RequestError);
  await expect(attempt).rejects.toThrow(
    /^magnitude at 2:5: model\.layers\.0\.self_attn\.q_proj.* needs an input size that 5 divides/,
  );
  expect(existsSync(join(folder, 'unfitting'))).toBe(false);
});

it('refuses what a variant can not be before any work, with its name', async () => {
  const options = { methods: ['magnitude', 'magnitude@owl'], goals: ['0.5'] };
  const path = runFile('refused');
  const whole = readFileSync(path, 'utf8');
  writeFileSync(path, whole.replace(/^calibration:.*$/m, ''));
  await expect(compare(path, options)).rejects.toThrow(
    /^magnitude@owl at 0\.5: prune\.allocation owl learns from calibration text/,
  );
  writeFileSync(path, whole);
  for (const [method, words] of [
    ['wanda[calibration.data=./missing.txt]', `${join(folder, 'missing.txt')}`],
    ['wanda[calibration.recovery=0.5]', 'calibration.recovery: wanda solves with no Gram matrix'],
    ['wanda++[rounds=2]+dsnot', 'wanda++ with dsnot: what its rounds make of the weights would be lost'],
    ['magnitude[scope=model]@owl', 'says how much each linear loses, and so does prune.allocation owl'],
    ['wanda++[tokens=32]+regional[tokens=16]', 'give both the same'],
    ['sparsegpt[resources.memory_limit=1MB]', 'and resources.memory_limit is 1.00 MB'],
  ]) {
    const attempt = compare(path, { methods: ['magnitude', method as string], goals: ['0.5'] });
    await expect(attempt).rejects.toThrow(`${method} at 0.5: `);
    await expect(attempt).rejects.toThrow(words as string);
    await expect(attempt).rejects.toBeInstanceOf(RequestError);
  }
  await expect(compare(path, { methods: ['magnitude'], goals: ['0.5', '0.50'] })).rejects.toThrow(
    'magnitude at 0.5 is asked for twice, also as magnitude at 0.50',
  );
  writeFileSync(path, whole.replace(join(folder, 'refused'), model));
  await expect(compare(path, options)).rejects.toThrow('is the model folder itself');
  expect(existsSync(join(folder, 'refused'))).toBe(false);
  expect(existsSync(join(model, 'runs'))).toBe(false);
});

it('tells a run that fails by its own message, and keeps the dense figures', async () => {
  const options = { methods: ['wanda'], goals: ['0.5'] };
  const path = runFile('failing');
  writeFileSync(path, readFileSync(path, 'utf8').replace('samples: 4', 'samples: 4000'));
  const attempt = compare(path, options);
  await expect(attempt).rejects.toBeInstanceOf(RequestError);
  await expect(attempt).rejects.toThrow(/calibration\.jsonl: .*tokens/);
  const { dense, rows } = JSON.parse(readFileSync(join(folder, 'failing/compare.json'), 'utf8'));
  expect(dense.perplexity).toBeGreaterThan(1);
  expect(rows).toEqual([]);
});

it.each([false, true])(
  'tells a run that fails on the way by its own message, and how to go on; fresh: %s',
  async (fresh) => {
    const mixture = join(folder, `mixture-${fresh}`);
    makeFamilyModel('qwen3-moe', mixture);
    const path = runFile(`failing-${fresh}`);
    const experts = 'samples: 2, sequence_length: 16, experts: {minimum_tokens: 30}';
    const given = readFileSync(path, 'utf8').replace('samples: 4, sequence_length: 64', experts);
    writeFileSync(path, given.replace(`model: ${model}`, `model: ${mixture}`));
    const failure = await compare(path, { methods: ['wanda'], goals: ['0.5'], fresh }).catch(
      (error) => error,
    );
    expect(failure).toBeInstanceOf(RunError);
    const [said = '', ...howTo] = failure.message.split(/\n/);
    expect(said).toMatch(/experts\.\d+ gets \d+ tokens .*minimum_tokens is 30; take more samples/);
    const again = 'what was compared stays: run compare again without --fresh';
    expect(howTo).toEqual([
      `0 of 2 blocks are finished in ${join(folder, `failing-${fresh}`, 'wanda-0.5')}; the same command goes on from there`,
      ...(fresh ? [again] : []),
    ]);
  },
);

it('evaluates on the field of the text that is asked for', async () => {
  const fields = join(folder, 'fields.jsonl');
  const lines =
    readFileSync(heldOut, 'utf8')
      .slice(0, 8000)
      .match(/.{1,500}/gs) ?? [];
  const reversed = (line: string) => [...line].reverse().join('');
  const documents = lines.map((line) => JSON.stringify({ body: line, text: reversed(line) }));
  writeFileSync(fields, documents.join('\n'));
  const evaluation = `evaluation: {data: {path: ${fields}, field: body}, context: 128, windows: 3}`;
  const { comparison } = await compare(runFile('field', evaluation), {
    methods: ['magnitude'],
    goals: ['0.5'],
  });
  const asked = { data: fields, context: 128, windows: 3, workers: 1 };
  const ofBody = await evaluate(model, { ...asked, field: 'body' });
  const ofText = await evaluate(model, asked);
  expect(comparison.dense.perplexity).toBe(ofBody.checkpoint.perplexity);
  expect(comparison.dense.perplexity).not.toBe(ofText.checkpoint.perplexity);
});

it('goes on after an interruption without doing again what is finished', async () => {
  const path = runFile('interrupted');
  const options = { methods: ['magnitude', 'wanda'], goals: ['2:4'] };
  const controller = new AbortController();
  const stopped = compare(path, {
    ...options,
    signal: controller.signal,
    // In the middle of the second run.
    onLine: (line) => {
      if (line.startsWith('wanda 2:4: ') && line.includes('prune: 2 blocks')) controller.abort();
    },
  });
  await expect(stopped).rejects.toBeInstanceOf(InterruptedError);
  const output = join(folder, 'interrupted');
  const left = JSON.parse(readFileSync(join(output, 'compare.json'), 'utf8'));
  expect(left.rows.map((row: { method: string }) => row.method)).toEqual(['magnitude']);
  expect(existsSync(join(output, 'compare.html'))).toBe(false);

  const lines: string[] = [];
  const { comparison } = await compare(path, { ...options, onLine: (line) => lines.push(line) });
  expect(new Set(lines.map((line) => line.slice(0, line.indexOf(':'))))).toEqual(new Set(['wanda 2']));
  expect(comparison.dense).toEqual(left.dense);
  expect(comparison.rows[0]).toEqual(left.rows[0]);
  expect(comparison.rows.map(({ method }) => method)).toEqual(['magnitude', 'wanda']);
  expect(existsSync(join(output, 'compare.html'))).toBe(true);
});

it('keeps finished rows while others are measured anew', async () => {
  const path = runFile('interrupted');
  const controller = new AbortController();
  // Stops at the first line of the first row that isn't there.
  const stopped = compare(path, {
    methods: ['sparsegpt', 'magnitude', 'wanda'],
    goals: ['2:4'],
    signal: controller.signal,
    onLine: () => controller.abort(),
  });
  await expect(stopped).rejects.toBeInstanceOf(InterruptedError);
  const left = JSON.parse(readFileSync(join(folder, 'interrupted/compare.json'), 'utf8'));
  expect(left.rows.map((row: { method: string }) => row.method)).toEqual(['magnitude', 'wanda']);
});

it('knows texts by what is in them, and leaves rows of another evaluation beside its own', async () => {
  const asked = { methods: ['magnitude', 'wanda'], goals: ['2:4'] };
  const output = join(folder, 'interrupted');
  const rowsOf = (name: string) => JSON.parse(readFileSync(join(output, name), 'utf8')).rows;
  const before = rowsOf('compare.json');
  renameSync(text, join(folder, 'renamed.jsonl'));
  const path = runFile('interrupted');
  writeFileSync(path, readFileSync(path, 'utf8').replace(text, join(folder, 'renamed.jsonl')));
  const none: string[] = [];
  await compare(path, { ...asked, onLine: (line) => none.push(line) });
  expect(none).toEqual([]);
  expect(rowsOf('compare.json')).toEqual(before);
  renameSync(join(folder, 'renamed.jsonl'), text);
  runFile('interrupted');

  writeFileSync(path, readFileSync(path, 'utf8').replace('windows: 3', 'windows: 2'));
  const lines: string[] = [];
  await compare(path, { methods: ['magnitude'], goals: ['2:4'], onLine: (line) => lines.push(line) });
  const [, kept = ''] = /its rows are in (compare-[0-9a-f]{8}\.json) now/.exec(lines.join('\n')) ?? [];
  expect(rowsOf(kept)).toEqual(before);
  expect(rowsOf('compare.json')).toHaveLength(1);
  writeFileSync(path, readFileSync(path, 'utf8').replace('windows: 2', 'windows: 3'));
  lines.length = 0;
  await compare(path, { ...asked, onLine: (line) => lines.push(line) });
  expect(lines).toEqual([expect.stringContaining('its rows are in')]);
  expect(rowsOf('compare.json')).toEqual(before);
});

it('knows a row by what decides it, not by how the goal is written', async () => {
  const path = runFile('interrupted');
  for (const goal of ['0.5', '0.50', '0.50']) {
    const { comparison } = await compare(path, { methods: ['magnitude'], goals: [goal] });
    expect(comparison.rows.filter((row) => Number(row.goal) === 0.5)).toHaveLength(1);
  }
});

it('measures the same method anew for another run file, without the dense model, and finds the rows before again', async () => {
  const asked = { methods: ['magnitude', 'wanda'], goals: ['2:4'] };
  const output = join(folder, 'interrupted');
  const path = runFile('interrupted');
  const given = readFileSync(path, 'utf8');
  const before = JSON.parse(readFileSync(join(output, 'compare.json'), 'utf8'));
  writeFileSync(path, given.replace('samples: 4', 'samples: 3'));
  const lines: string[] = [];
  const { comparison } = await compare(path, { ...asked, onLine: (line) => lines.push(line) });
  expect(lines.some((line) => line.startsWith('dense: '))).toBe(false);
  expect(comparison.dense).toEqual(before.dense);
  expect(comparison.rows).toHaveLength(2);
  const [, wanda] = comparison.rows;
  expect(wanda?.perplexity).not.toBe(
    before.rows.find((row: { method: string }) => row.method === 'wanda').perplexity,
  );
  writeFileSync(path, given);
  const again = await compare(path, asked);
  expect(again.comparison.rows.map(({ fingerprint }) => fingerprint).sort()).toEqual(
    before.rows.map((row: { fingerprint: string }) => row.fingerprint).sort(),
  );
});

it('removes only what it made: not the weights of a finished run, nor files beside them', async () => {
  const path = runFile('mixed');
  const output = join(folder, 'mixed');
  await compare(path, { methods: ['magnitude'], goals: ['2:4'] });
  await prune(path, {
    set: [`output=${join(output, 'wanda-2of4')}`, 'evaluation=', 'prune={method: wanda, pattern: "2:4"}'],
  });
  mkdirSync(join(output, 'shared'));
  const mine = [join(output, 'shared/mine.f32'), join(output, 'magnitude-2of4/mine.txt')];
  for (const file of mine) writeFileSync(file, 'mine');
  const weights = join(output, 'wanda-2of4/model.safetensors');
  await compare(path, { methods: ['wanda'], goals: ['2:4'] });
  expect(existsSync(weights)).toBe(true);

  // Weights that are to be kept are made again; those that are there are not.
  const kept = await compare(path, { methods: ['magnitude', 'wanda'], goals: ['2:4'], keep: true });
  expect(existsSync(join(output, 'magnitude-2of4/model.safetensors'))).toBe(true);
  const lines: string[] = [];
  const same = {
    methods: ['magnitude', 'wanda'],
    goals: ['2:4'],
    onLine: (line: string) => lines.push(line),
  };
  expect((await compare(path, { ...same, keep: true })).comparison).toEqual(kept.comparison);
  expect(lines).toEqual([]);

  // --fresh, stopped at its first line: what isn't asked for stays.
  const controller = new AbortController();
  const stopped = compare(path, {
    methods: ['wanda'],
    goals: ['2:4'],
    fresh: true,
    signal: controller.signal,
    onLine: () => controller.abort(),
  });
  await expect(stopped).rejects.toBeInstanceOf(InterruptedError);
  const { dense, rows } = JSON.parse(readFileSync(join(output, 'compare.json'), 'utf8'));
  expect(dense).toEqual(kept.comparison.dense);
  expect(rows).toEqual([kept.comparison.rows.find(({ method }) => method === 'magnitude')]);
  expect(existsSync(join(output, 'compare.html'))).toBe(false);
  expect(existsSync(weights)).toBe(false);
  for (const file of mine) expect(existsSync(file)).toBe(true);
}, 120_000);
