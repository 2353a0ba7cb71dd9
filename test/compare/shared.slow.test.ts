/** Comparisons whose runs have measurements of the dense model in common. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { compare, evaluate, InterruptedError, prune, type Report } from '../../src/index.js';
import { makeShallowModel } from '../support/shallow-model.js';
import { writeShortText } from '../support/short-text.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'secateur-shared-'));
afterAll(() => rmSync(folder, { recursive: true }));
const model = join(folder, 'model');
makeShallowModel(join(root, 'models/quickstart'), model, 2);
const text = writeShortText(folder);
const heldOut = join(root, 'calibration/heldout.txt');

function runFile(output: string) {
  const path = join(folder, `${output}.yaml`);
  writeFileSync(
    path,
    [
      `model: ${model}`,
      `output: ${join(folder, output)}`,
      `calibration: {data: ${text}, samples: 6, sequence_length: 64}`,
      'prune: {method: obd, sparsity: 0.5, options: {hessian: fisher}}',
      `evaluation: {data: ${heldOut}, context: 128, windows: 3}`,
      'resources: {workers: 1}',
    ].join('\n'),
  );
  return path;
}

function reportOf(output: string, name: string): Report {
  return JSON.parse(readFileSync(join(folder, output, name, 'secateur/report.json'), 'utf8'));
}

const secondsOf = ({ phases }: Report, stage: string) =>
  phases.filter((each) => each.stage === stage).reduce((sum, { seconds }) => sum + seconds, 0);

it('measures gradients and norms once, counts their time for each, and leaves what runs by themselves give', async () => {
  const methods = ['gblm', 'gradient', 'obd', 'wanda@owl', 'gblm@loss'];
  const lines: string[] = [];
  const { comparison, output } = await compare(runFile('all'), {
    methods,
    goals: ['0.5'],
    onLine: (line) => lines.push(line),
  });
  const started = (stage: string) => lines.filter((line) => new RegExp(`: ${stage}: 2 blocks`).test(line));
  expect(started('gradients')).toHaveLength(1);
  expect(started('gradients')[0]).toMatch(/^gblm 0\.5: /);
  expect(readdirSync(output)).not.toContain('shared');

  const gradients = secondsOf(reportOf('all', 'gblm-0.5'), 'gradients');
  const rows = new Map(comparison.rows.map((row) => [row.method, row]));
  for (const method of ['gblm', 'gradient', 'obd', 'gblm@loss']) {
    const report = reportOf('all', `${method.replace('@', '-')}-0.5`);
    expect(secondsOf(report, 'gradients') > 0).toBe(method === 'gblm');
    // Sums in another order.
    expect(rows.get(method)?.seconds).toBeGreaterThan(report.run.prune_seconds + gradients - 1e-9);
  }
  expect(reportOf('all', 'gblm-loss-0.5').notes.join()).toMatch(/column norms of the dense model were found/);

  for (const [method, settings] of [
    ['gradient', '{method: gradient, sparsity: 0.5}'],
    ['obd', '{method: obd, sparsity: 0.5, options: {hessian: fisher}}'],
    ['gblm@loss', '{method: gblm, sparsity: 0.5, allocation: loss}'],
  ] as const) {
    const byHand = join(folder, `by-hand-${method}`);
    const set = [`output=${byHand}`, 'evaluation=', `prune=${settings}`];
    await prune(runFile('all'), { set });
    const { checkpoint } = await evaluate(byHand, { data: heldOut, context: 128, windows: 3 });
    expect(rows.get(method)?.perplexity).toBe(checkpoint.perplexity);
  }
}, 120_000);

it('keeps what was measured when it is stopped, and goes on with it', async () => {
  const path = runFile('stopped');
  const options = { methods: ['gblm', 'gradient'], goals: ['0.5', '0.6'] };
  const controller = new AbortController();
  const stopped = compare(path, {
    ...options,
    signal: controller.signal,
    onLine: (line) => {
      if (line.startsWith('gradient 0.5: ') && line.includes('prune: 2 blocks')) controller.abort();
    },
  });
  await expect(stopped).rejects.toBeInstanceOf(InterruptedError);
  const shared = join(folder, 'stopped/shared');
  expect(readdirSync(shared).filter((name) => /^gradients-\w+\.(f32|json)$/.test(name))).toHaveLength(2);
  const lines: string[] = [];
  const { comparison } = await compare(path, { ...options, onLine: (line) => lines.push(line) });
  expect(lines.filter((line) => line.includes('gradients: 2 blocks'))).toEqual([]);
  expect(comparison.rows).toHaveLength(4);
  expect(existsSync(shared)).toBe(false);
}, 120_000);
