/** Runs in which linears make up for what the residual stream has lost. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { plan, prune, RequestError } from '../../src/index.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { modelOutput } from '../support/model-output.js';
import { isPrunedBlock, pruneUntil } from '../support/prune-until.js';
import { relativeError } from '../support/relative-error.js';
import { makeShallowModel } from '../support/shallow-model.js';
import { writeShortText } from '../support/short-text.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'secateur-test-'));
const pool = new WorkerPool(2);
afterAll(async () => {
  await pool.close();
  rmSync(folder, { recursive: true });
});
const model = join(folder, 'model');
makeShallowModel(join(root, 'models/quickstart'), model, 2);
const text = writeShortText(folder);

let count = 0;
function runFile({ recovery = 0.5, method = 'sparsegpt', more = '', workers = 2 } = {}): string {
  const path = join(folder, `run-${count++}.yaml`);
  writeFileSync(
    path,
    [
      `model: ${model}`,
      `output: ${join(folder, `out-${count}`)}`,
      `calibration: {data: ${text}, samples: 16, sequence_length: 64, recovery: ${recovery}${more}}`,
      `prune: {method: ${method}, sparsity: 0.7}`,
      `resources: {workers: ${workers}}`,
    ].join('\n'),
  );
  return path;
}

function weights(output: string): string {
  return createHash('sha256')
    .update(readFileSync(join(output, 'model.safetensors')))
    .digest('hex');
}

it('writes the same bytes with any number of workers, and when it was stopped after a block', async () => {
  const [one, three] = [await prune(runFile({ workers: 1 })), await prune(runFile({ workers: 3 }))];
  expect(weights(three.output)).toBe(weights(one.output));
  const path = runFile();
  await pruneUntil(path, isPrunedBlock);
  const { output } = await prune(path);
  expect(weights(output)).toBe(weights(one.output));
});

it('goes on to the same bytes behind a block that stays dense, with a regional update', async () => {
  const rules = 'prune.rules=[{match: "model.layers.0.*", keep: dense}]';
  const update = 'prune.update={name: regional, rounds: 1, round_windows: 4, learning_rate: 0.0003}';
  const set = [rules, update];
  const whole = await prune(runFile(), { set });
  const path = runFile();
  await pruneUntil(path, isPrunedBlock, { set });
  const { output } = await prune(path, { set });
  expect(weights(output)).toBe(weights(whole.output));
});

it('comes nearer to what the dense model gives, and nearer still with the steps of a regional update', async () => {
  const dense = await modelOutput(pool, model, runFile());
  const error = async (recovery: number, set: string[] = []) => {
    const path = runFile({ recovery });
    const { output } = await prune(path, { set });
    return relativeError(await modelOutput(pool, output, path), dense);
  };
  const alone = await error(0.5);
  expect(alone).toBeLessThan(0.95 * (await error(0)));
  const steps = 'prune.update={name: regional, rounds: 2, round_windows: 16, learning_rate: 0.0003}';
  expect(await error(0.5, [steps])).toBeLessThan(0.95 * alone);
});

it('is planned with more work, memory and disk', async () => {
  const [own, dense] = [await plan(runFile({ recovery: 0 })), await plan(runFile())];
  expect(own.flops.targets).toBe(0);
  expect(dense.flops.targets).toBeGreaterThan(own.flops.forward);
  expect(dense.memory.peakBytes).toBeGreaterThan(own.memory.peakBytes);
  expect(dense.bytes.scratch).toBe(2 * own.bytes.scratch);
});

it.each([
  ['a method that changes no weight', { method: 'wanda' }, /wanda solves with no Gram matrix/],
  [
    'rounds of pruning',
    { method: 'wanda++, update: least_squares' },
    /wanda\+\+ with least_squares: what its rounds make of the weights would be lost/,
  ],
  ['other inputs', { more: ', inputs: mixed' }, /with recovery, inputs are measured pruned, not mixed/],
])('refuses %s', async (_, changes, message) => {
  const refused = prune(runFile(changes));
  await expect(refused).rejects.toBeInstanceOf(RequestError);
  await expect(refused).rejects.toThrow(message);
});
