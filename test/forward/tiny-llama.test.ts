/** Random tiny Llamas made by transformers (scripts/golden/make-tiny-llama.py), and what it computes with them. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { HiddenStates } from '../../src/forward/hidden-states.js';
import { ModelStream } from '../../src/forward/model-stream.js';
import type { Locate } from '../../src/forward/model-tensors.js';
import { floatTensor } from '../../src/forward/stored-tensor.js';
import { checkTensors } from '../../src/model/check-tensors.js';
import { describeModel } from '../../src/model/describe-model.js';
import { storedTensors } from '../../src/quantization/readable-tensors.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { readGolden } from '../support/safetensors.js';

const golden = fileURLToPath(new URL('../golden/tiny-llama', import.meta.url));
const pool = new WorkerPool(2);
const scratch = mkdtempSync(join(tmpdir(), 'secateur-test-'));
afterAll(async () => {
  await pool.close();
  rmSync(scratch, { recursive: true });
});

function largestDifference(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((worst, value, i) => Math.max(worst, Math.abs(value - (b[i] as number))), 0);
}

function states(hidden: HiddenStates): Float32Array {
  const bytes = readFileSync(hidden.path);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

describe.each(['gqa-tied', 'head-dim-bias', 'rope-llama3', 'rope-linear', 'rope-parameters'])(
  '%s',
  (name) => {
    it('gives the hidden states, logits and cross-entropy of transformers', async () => {
      const folder = join(golden, name);
      const checkpoint = await openCheckpoint(folder);
      const model = describeModel(checkpoint.config, folder);
      checkTensors(model, checkpoint.tensors, folder);
      const locate: Locate = (tensor) => floatTensor(storedTensors(checkpoint), tensor);
      const expected = readGolden(join(folder, 'expected.safetensors'));
      const f32 = (tensor: string) => expected.get(tensor)?.data as Float32Array;
      const ids = Int32Array.from(expected.get('input_ids')?.data as BigInt64Array, Number);

      const stream = new ModelStream(model, pool);
      const hidden = new HiddenStates(join(scratch, name), 1, ids.length, model.hiddenSize);
      await stream.embed(hidden, ids, locate);
      expect(largestDifference(states(hidden), f32('embeddings'))).toBe(0);
      for (const [index, block] of model.blocks.entries()) {
        const weights = await stream.loadBlock(block, locate);
        await stream.runBlock(block, weights, hidden, locate);
        expect(largestDifference(states(hidden), f32(`hidden_states.${index}`))).toBeLessThan(1e-4);
      }
      const [loss] = await stream.crossEntropy(hidden, ids, locate);

      // crossEntropy leaves the normalised states in the file; the head is applied to them here in f64.
      const normalised = states(hidden);
      const head = readGolden(join(folder, 'model.safetensors')).get(model.head.name)?.data as Float32Array;
      const logits = new Float32Array(ids.length * model.vocabularySize);
      for (let t = 0; t < ids.length; t++) {
        for (let v = 0; v < model.vocabularySize; v++) {
          let sum = 0;
          for (let j = 0; j < model.hiddenSize; j++) {
            sum +=
              (normalised[t * model.hiddenSize + j] as number) * (head[v * model.hiddenSize + j] as number);
          }
          logits[t * model.vocabularySize + v] = sum;
        }
      }
      expect(largestDifference(logits, f32('logits'))).toBeLessThan(1e-4);

      let reference = 0;
      for (let t = 0; t < ids.length - 1; t++) {
        const row = f32('logits').subarray(t * model.vocabularySize, (t + 1) * model.vocabularySize);
        const sum = row.reduce((total, logit) => total + Math.exp(logit), 0);
        reference += (Math.log(sum) - (row[ids[t + 1] as number] as number)) / (ids.length - 1);
      }
      expect(Math.abs((loss as number) - reference)).toBeLessThan(1e-5);
    });
  },
);
