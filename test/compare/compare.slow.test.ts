/** A whole comparison on the quickstart model. */
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { compare, evaluate, InterruptedError, prune, RequestError } from '../../src/index.js';
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
  expect(row?.output_error).toBeGreaterThan(0);
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
  const again = await compare(path, {
    methods: ['wanda+least_squares', 'wanda'],
    goals: ['2:4'],
    keep: true,
  });
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

it('tells a run that fails by its own message, and keeps the dense figures', async () => {
  const options = { methods: ['magnitude@owl'], goals: ['0.5'] };
  const path = runFile('failing');
  writeFileSync(path, readFileSync(path, 'utf8').replace(/^calibration:.*$/m, ''));
  const attempt = compare(path, options);
  await expect(attempt).rejects.toBeInstanceOf(RequestError);
  await expect(attempt).rejects.toThrow('prune.allocation owl learns from calibration text');
  const { dense, rows } = JSON.parse(readFileSync(join(folder, 'failing/compare.json'), 'utf8'));
  expect(dense.perplexity).toBeGreaterThan(1);
  expect(rows).toEqual([]);
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

  writeFileSync(path, readFileSync(path, 'utf8').replace('windows: 3', 'windows: 2'));
  const lines: string[] = [];
  await compare(path, { methods: ['magnitude'], goals: ['2:4'], onLine: (line) => lines.push(line) });
  const [, kept = ''] = /its rows are in (compare-[0-9a-f]{8}\.json) now/.exec(lines[0] ?? '') ?? [];
  expect(rowsOf(kept)).toEqual(before);
  expect(rowsOf('compare.json')).toHaveLength(1);
  writeFileSync(path, readFileSync(path, 'utf8').replace('windows: 2', 'windows: 3'));
  lines.length = 0;
  await compare(path, { ...asked, onLine: (line) => lines.push(line) });
  expect(lines).toEqual([expect.stringContaining('its rows are in')]);
  expect(rowsOf('compare.json')).toEqual(before);
});
