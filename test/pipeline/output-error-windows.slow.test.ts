/** Output errors in the report of a run whose method needs no Gram matrices. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { prune } from '../../src/index.js';
import { readFloats } from '../support/golden-model.js';
import { rmsNorm } from '../support/llama-inputs.js';
import { quickstartRuns } from '../support/quickstart-runs.js';
import { makeTinyLlama, tinyLlama, writeTokens } from '../support/tiny-llama.js';

const { newPath, runFile } = quickstartRuns();

const [WINDOWS, TOKENS, MEASURED] = [20, 128, 2048];

it('are those of the first 2048 tokens', async () => {
  const ids = Array.from({ length: WINDOWS * TOKENS }, (_, i) => (i * i + Math.floor(i / 300)) % 160);
  const [model, data] = [newPath('model'), `${newPath('tokens')}.txt`];
  makeTinyLlama(model, [0]);
  writeTokens(data, ids);
  const { path, output } = runFile({
    model,
    calibration: `{data: ${data}, samples: ${WINDOWS}, sequence_length: ${TOKENS}}`,
    prune: '{method: wanda, sparsity: 0.5}',
  });
  const { report } = await prune(path);
  expect(report.notes).toContain(
    'output errors of layers are measured on the first 16 of 20 calibration windows',
  );

  const [before, after] = [tinyLlama, output].map((folder) => readFloats(join(folder, 'model.safetensors')));
  const floats = (from: typeof before, name: string) => from?.get(name) ?? new Float32Array();
  const scale = floats(before, 'model.layers.0.input_layernorm.weight');
  const size = scale.length;
  // What the linears read of a token depends on nothing but the token.
  const inputs = rmsNorm(floats(before, 'model.embed_tokens.weight'), scale, 1e-5);
  const times = (weights: Float32Array, row: number, id: number) => {
    let sum = 0;
    for (let j = 0; j < size; j++) {
      sum += (weights[row * size + j] as number) * (inputs[id * size + j] as number);
    }
    return sum;
  };
  const errorOver = (tokens: readonly number[], linear: string) => {
    const [dense, pruned] = [before, after].map((from) => floats(from, `${linear}.weight`)) as [
      Float32Array,
      Float32Array,
    ];
    const counts = new Uint32Array(inputs.length / size);
    for (const id of tokens) counts[id] = (counts[id] as number) + 1;
    let [lost, all] = [0, 0];
    for (const [id, count] of counts.entries()) {
      for (let row = 0; row < dense.length / size; row++) {
        const was = times(dense, row, id);
        lost += count * (was - times(pruned, row, id)) ** 2;
        all += count * was ** 2;
      }
    }
    return lost / all;
  };
  for (const { name, output_error } of report.layers.filter((layer) => /[qkv]_proj$/.test(layer.name))) {
    const error = errorOver(ids.slice(0, MEASURED), name);
    expect(Math.abs((output_error ?? 0) / error - 1)).toBeLessThan(1e-5);
    expect(Math.abs(errorOver(ids, name) / error - 1)).toBeGreaterThan(1e-4);
  }
});
