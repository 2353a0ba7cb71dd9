/** The cross-entropy doesn't depend on how many tokens' logits are in memory at a time. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { HiddenStates } from '../../src/forward/hidden-states.js';
import { ModelStream } from '../../src/forward/model-stream.js';
import { floatTensor } from '../../src/forward/stored-tensor.js';
import { describeModel } from '../../src/model/describe-model.js';
import { storedTensors } from '../../src/quantization/readable-tensors.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';

const quickstart = fileURLToPath(new URL('../../models/quickstart', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'secateur-logits-'));
const pool = new WorkerPool(2);
afterAll(async () => {
  await pool.close();
  rmSync(folder, { recursive: true });
});

it.each([512, 257, 193, 65, 64, 2])('to the bit, for windows of %i tokens', async (tokens) => {
  const checkpoint = await openCheckpoint(quickstart);
  const model = describeModel(checkpoint.config, quickstart);
  const locate = (name: string) => floatTensor(storedTensors(checkpoint), name);
  const windows = 2;
  const ids = Int32Array.from({ length: windows * tokens }, (_, i) => (i * 7919) % model.vocabularySize);
  const losses = [];
  for (const logitTokens of [256, 64, 32, 1000]) {
    const stream = new ModelStream(model, pool, logitTokens);
    const states = new HiddenStates(join(folder, 'states'), windows, tokens, model.hiddenSize);
    await stream.embed(states, ids, locate);
    losses.push(await stream.crossEntropy(states, ids, locate));
    states.dispose();
    stream.dispose();
  }
  expect(losses[0]?.every((loss) => Number.isFinite(loss) && loss > 0)).toBe(true);
  for (const other of losses.slice(1)) expect(other).toEqual(losses[0]);
});
