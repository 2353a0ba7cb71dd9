/** A whole comparison on the quickstart model. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { compare, evaluate, prune, RequestError } from '../../src/index.js';
import { makeShallowModel } from '../support/shallow-model.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'secateur-compare-'));
afterAll(() => rmSync(folder, { recursive: true }));
const model = join(folder, 'model');
makeShallowModel(join(root, 'models/quickstart'), model, 2);

const heldOut = join(root, 'calibration/heldout.txt');
const runFile = (output: string, evaluation = `evaluation: {data: ${heldOut}, context: 128, windows: 3}`) => {
  const path = join(folder, 'run.yaml');
  writeFileSync(
    path,
    [
      `model: ${model}`,
      `output: ${join(folder, output)}`,
      `calibration: {data: ${join(root, 'calibration/general.jsonl')}, samples: 4, sequence_length: 64}`,
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

it('tells a run that fails by its own message', async () => {
  const options = { methods: ['magnitude'], goals: ['2:5'] };
  await expect(compare(runFile('failing'), options)).rejects.toThrow('needs an input size that 5 divides');
});
