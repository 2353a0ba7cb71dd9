/** Random tiny Llamas made by transformers (scripts/golden/make-tiny-llama.py), and what it computes with them. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { checkpointModel } from '../../src/forward/checkpoint-model.js';
import { HiddenStates } from '../../src/forward/hidden-states.js';
import { ModelStream } from '../../src/forward/model-stream.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { crossEntropyOf, logitsOf } from '../support/golden-logits.js';
import { goldenModel } from '../support/golden-model.js';
import { largestDifference } from '../support/largest-difference.js';

const golden = fileURLToPath(new URL('../golden/tiny-llama', import.meta.url));
const pool = new WorkerPool(2);
const scratch = mkdtempSync(join(tmpdir(), 'secateur-test-'));
afterAll(async () => {
  await pool.close();
  rmSync(scratch, { recursive: true });
});

function states(hidden: HiddenStates): Float32Array {
  const bytes = readFileSync(hidden.path);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

describe.each(['gqa-tied', 'head-dim-bias', 'rope-llama3', 'rope-linear', 'rope-parameters'])(
  '%s',
  (name) => {
    it.each([
      ['the whole head', undefined],
      ['slices of it', 60],
    ])('gives the hidden states, logits and cross-entropy of transformers, with %s', async (_, headRows) => {
      const folder = join(golden, name);
      const own = await goldenModel(folder);
      const { model, ids, expected } = own;
      const { locate } = checkpointModel(await openCheckpoint(folder));

      const stream = new ModelStream(model, pool, undefined, headRows);
      const hidden = new HiddenStates(join(scratch, name), 1, ids.length, model.hiddenSize);
      await stream.embed(hidden, ids, locate);
      expect(largestDifference(states(hidden), expected('embeddings'))).toBe(0);
      for (const [index, block] of model.blocks.entries()) {
        const weights = await stream.loadBlock(block, locate);
        await stream.runBlock(block, weights, hidden, locate);
        expect(largestDifference(states(hidden), expected(`hidden_states.${index}`))).toBeLessThan(1e-4);
      }
      const [loss] = await stream.crossEntropy(hidden, ids, locate);

      // crossEntropy leaves the normalised states in the file.
      const logits = logitsOf(own, states(hidden));
      expect(largestDifference(logits, expected('logits'))).toBeLessThan(1e-4);
      expect(Math.abs((loss as number) - crossEntropyOf(expected('logits'), ids))).toBeLessThan(1e-5);
    });
  },
);
