/** Blocks that were optimised as a whole, in runs on two blocks of the quickstart model. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { loadRunFile } from '../../src/config/load-run-file.js';
import { plan, prune } from '../../src/index.js';
import { estimateFlops } from '../../src/pipeline/estimates/estimate-flops.js';
import { estimateSeconds } from '../../src/pipeline/estimates/estimate-seconds.js';
import { runSchema } from '../../src/pipeline/methods/method-registry.js';
import { prepareRun } from '../../src/pipeline/prepare/prepare-run.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { modelOutput } from '../support/model-output.js';
import { relativeError } from '../support/relative-error.js';
import { makeShallowModel } from '../support/shallow-model.js';
import { writeShortText } from '../support/short-text.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'secateur-regional-'));
const model = join(folder, 'model');
makeShallowModel(join(root, 'models/quickstart'), model, 2);
const text = writeShortText(folder);
const pool = new WorkerPool(2);
afterAll(async () => {
  await pool.close();
  rmSync(folder, { recursive: true });
});

const WINDOWS = 4;
const TOKENS = 64;

let count = 0;
function runFile(pruning: string) {
  const path = join(folder, `run-${count++}.yaml`);
  const output = join(folder, `out-${count}`);
  const calibration = `{data: ${text}, samples: ${WINDOWS}, sequence_length: ${TOKENS}}`;
  writeFileSync(
    path,
    `model: ${model}\noutput: ${output}\ncalibration: ${calibration}\nprune: {${pruning}}\nresources: {workers: 1}\n`,
  );
  return { path, output };
}

/** What the blocks of a checkpoint make of the calibration windows. */
const outputOf = (checkpoint: string) =>
  modelOutput(pool, checkpoint, runFile('method: wanda, sparsity: 0.5').path);

describe('blocks that were optimised', () => {
  it.each<[string, string, string]>([
    [
      'after any method',
      'method: wanda, pattern: "2:4"',
      'method: wanda, pattern: "2:4", update: {name: regional, rounds: 4, round_windows: 4, learning_rate: 0.0003}',
    ],
    [
      'in rounds',
      'method: wanda++, sparsity: 0.6, options: {rounds: 0}',
      'method: wanda++, sparsity: 0.6, options: {rounds: 4, round_windows: 4, learning_rate: 0.0003}',
    ],
    [
      'in rounds that may choose other masks',
      'method: wanda++, sparsity: 0.6, options: {rounds: 0}',
      'method: wanda++, sparsity: 0.6, options: {rounds: 4, round_windows: 4, learning_rate: 0.0003, regrow: true}',
    ],
  ])('%s: their output is nearer to the dense one, with as many zeros', async (_, alone, optimised) => {
    const dense = await outputOf(model);
    const [before, after] = [runFile(alone), runFile(optimised)];
    const zeros = [];
    for (const { path } of [before, after]) {
      const { report } = await prune(path);
      zeros.push(report.layers.map((layer) => layer.zeros));
      expect(report.layers.flatMap(({ notes }) => notes).join()).not.toContain('the steps made');
    }
    expect(zeros[1]).toEqual(zeros[0]);
    const error = async ({ output }: typeof before) => relativeError(await outputOf(output), dense);
    expect(await error(after)).toBeLessThan(0.85 * (await error(before)));
  });

  it('keep the mask of the method before, but not what it predicted, and follow rules', async () => {
    const rules = 'rules: [{match: "*.v_proj", keep: dense}]';
    const { path } = runFile(
      `method: sparsegpt, pattern: "2:4", ${rules}, update: {name: regional, rounds: 1}`,
    );
    const { report } = await prune(path);
    for (const layer of report.layers) {
      const isDense = layer.name.endsWith('v_proj');
      expect(layer.method).toBe(isDense ? 'dense' : 'sparsegpt + regional');
      expect(layer.zeros).toBe(isDense ? 0 : layer.numel / 2);
      expect(layer.predicted_loss).toBeNull();
    }
  });

  it('say so where a learning rate is too large', async () => {
    const { path } = runFile(
      'method: wanda, sparsity: 0.5, update: {name: regional, rounds: 2, round_windows: 6, learning_rate: 0.1}',
    );
    const { report } = await prune(path);
    expect(report.layers[0]?.notes.join()).toMatch(
      /the steps made the block's squared output error \S+ times as large; a smaller learning_rate may help/,
    );
  });

  it('are refused where the method and the update take other parts of windows', async () => {
    const { path } = runFile(
      'method: wanda++, sparsity: 0.5, options: {tokens: 8}, update: {name: regional, tokens: 16}',
    );
    await expect(plan(path)).rejects.toThrow(
      'over 8 tokens of a window, the update over 16; give both the same',
    );
  });

  it('are planned for', async () => {
    // A given machine: what plan measures of this one isn't the same twice while others work.
    const speed = { threadFlops: [5e10, 5e10], cores: 2, prepareSeconds: 0.1, startSeconds: 0.1 };
    const planned = async (pruning: string) => {
      const { config } = loadRunFile(runFile(pruning).path, runSchema, { set: [] });
      const run = await prepareRun(config);
      const flops = estimateFlops(run);
      return { flops, seconds: estimateSeconds(run, flops, speed) };
    };
    const wanda = await planned('method: wanda, sparsity: 0.5');
    const score = await planned('method: wanda++, sparsity: 0.5, options: {rounds: 0}');
    const rounds = await planned('method: wanda++, sparsity: 0.5, options: {rounds: 3, round_windows: 2}');
    // A forward, and a backward of twice as much less the gradient of the block's input, of at least all linears.
    const linears = 2 * 2 * (2 * 192 * 192 + 2 * 64 * 192 + 3 * 512 * 192);
    expect(wanda.flops.regional + wanda.flops.steps).toBe(0);
    expect(score.flops.regional).toBeGreaterThan(2.5 * linears * WINDOWS * TOKENS);
    expect(score.flops.regional).toBeLessThan(4 * linears * WINDOWS * TOKENS);
    expect(score.flops.steps).toBe(0);
    expect(rounds.flops.steps).toBe((3 * 2 * score.flops.regional) / WINDOWS);
    expect(rounds.flops.forward).toBeCloseTo(wanda.flops.forward * (1 + 2 / WINDOWS), -3);
    expect(rounds.seconds.prune).toBeGreaterThan(score.seconds.prune);
  });
});
