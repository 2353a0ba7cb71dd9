/** What plans count of the weights that a run reads. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadRunFile } from '../../src/config/load-run-file.js';
import { bytesRead } from '../../src/pipeline/estimates/bytes-read.js';
import { runSchema } from '../../src/pipeline/methods/method-registry.js';
import { prepareRun } from '../../src/pipeline/prepare/prepare-run.js';
import { BLOCK_WEIGHTS, quickstartRuns, root } from '../support/quickstart-runs.js';

const { runFile, shallow } = quickstartRuns();

async function read(prune: string, evaluation?: string): Promise<number> {
  const { path } = runFile({ prune: `{sparsity: 0.5, method: ${prune}}`, ...(evaluation && { evaluation }) });
  return bytesRead(await prepareRun(loadRunFile(path, runSchema, { set: [] }).config));
}

const whole = statSync(join(shallow, 'model.safetensors')).size;
const linears = 2 * BLOCK_WEIGHTS * 2;

it.each([
  ['magnitude', 0],
  ['gradient', 2 * whole],
  ['magnitude, allocation: alpha', linears],
  ['magnitude, allocation: owl', whole + linears],
  ['gradient, allocation: owl', 3 * whole + linears],
  // Four input groups measure twice, and what 7 linears and 4 groups measure fits into one more batch. Each loads the block
  // at work again, with its two norms, and from the first block the second one too.
  ['loss_change, options: {measurements: 4}', 9 * 3 * (BLOCK_WEIGHTS + 2 * 192) * 2],
])('every stage of %s counts', async (method, more) => {
  // Whether weights are finite, to be pruned, and whether the zeros are there.
  const expected = 2 * whole + linears + more;
  expect((await read(method)) / expected).toBeCloseTo(1, 2);
});

it('evaluating reads the model before and after', async () => {
  const evaluation = `{data: ${join(root, 'calibration/heldout.txt')}, context: 64, windows: 1}`;
  const [without, evaluated] = [await read('wanda'), await read('wanda', evaluation)];
  expect((evaluated - without) / (2 * whole)).toBeCloseTo(1, 2);
});
