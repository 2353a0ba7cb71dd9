/** Masks of whole runs, against scores written out here with the gradients of PyTorch. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { prune } from '../../src/index.js';
import { expectSmallestGone } from '../support/expect-smallest-gone.js';
import { readFloats } from '../support/golden-model.js';
import { columnNorms, rmsNorm } from '../support/llama-inputs.js';
import { quickstartRuns } from '../support/quickstart-runs.js';
import { readGolden } from '../support/safetensors.js';
import { makeTinyLlama, tinyLlama, writeTokens } from '../support/tiny-llama.js';

const { newPath, runFile } = quickstartRuns();

const ids = Array.from(
  readGolden(join(tinyLlama, 'expected.safetensors')).get('input_ids')?.data as BigInt64Array,
  Number,
);
/** Of a window, those that gradients are taken over. */
const TOKENS = ids.length;
/** The windows go on with tokens that have no part in gradients, and so does the last window. */
const windowsOf = (...beginnings: number[][]) =>
  [...beginnings, ids.map((id) => (id * 7) % 160)].map((own, index) => [...own, 5, 8, 13 + index]);

const floats = (from: ReadonlyMap<string, Float32Array>, name: string): Float32Array => {
  const found = from.get(name);
  if (!found) throw new Error(`no ${name}`);
  return found;
};
const source = readFloats(join(tinyLlama, 'model.safetensors'));

/** The weights that a run writes. @param blocks of the tiny Llama */
async function prunedWeights(blocks: readonly number[], windows: readonly number[][], pruning: string) {
  const [model, data] = [newPath('model'), `${newPath('tokens')}.txt`];
  makeTinyLlama(model, blocks);
  writeTokens(data, windows.flat());
  const { path, output } = runFile({
    model,
    calibration: `{data: ${data}, samples: ${windows.length}, sequence_length: ${TOKENS + 3}}`,
    prune: `{${pruning}}`,
  });
  const { report } = await prune(path);
  expect(report.layers).toHaveLength(7 * blocks.length);
  return readFloats(join(output, 'model.safetensors'));
}

/** Norms of what q, k and v of a block read where nothing but the embedding lies before it. */
function attentionNorms(block: number, windows: readonly number[][]): Float64Array {
  const embedding = floats(source, 'model.embed_tokens.weight');
  const scale = floats(source, `model.layers.${block}.input_layernorm.weight`);
  const size = scale.length;
  const states = windows.flat().flatMap((id) => [...embedding.subarray(id * size, (id + 1) * size)]);
  return columnNorms(rmsNorm(Float32Array.from(states), scale, 1e-5), size);
}

const attention = ['q_proj', 'k_proj', 'v_proj'].map((name) => `self_attn.${name}`);

it('wanda++: norms count as if they were over 128 windows as long as those of the gradients', async () => {
  const alpha = 100;
  const windows = windowsOf(ids, ids.toReversed());
  const options = `{rounds: 0, windows: 2, tokens: ${TOKENS}, alpha: ${alpha}}`;
  const after = await prunedWeights([1], windows, `method: wanda++, sparsity: 0.5, options: ${options}`);
  const golden = readFloats(join(tinyLlama, 'regional.safetensors'));
  const share = Math.sqrt((128 * TOKENS) / windows.flat().length);
  const norms = attentionNorms(1, windows).map((norm) => norm * share);
  for (const linear of attention) {
    const before = floats(source, `model.layers.1.${linear}.weight`);
    const gradients = floats(golden, `root_mean_square.${linear}`);
    const scores = Float64Array.from(before, (w, i) => {
      return Math.abs(w) * ((norms[i % norms.length] as number) + alpha * (gradients[i] as number));
    });
    const written = floats(after, `model.layers.0.${linear}.weight`);
    expectSmallestGone(written, before, scores, { group: norms.length, zeros: norms.length / 2 });
  }
});

const modelGradients = readFloats(join(tinyLlama, 'gradients.safetensors'));
/** Two windows count, and give the same gradients. */
const alike = windowsOf(ids, ids);

it.each<[string, (w: number, g: number) => number]>([
  ['gradient, options: {taylor: none', (_, g) => Math.abs(g)],
  ['gradient, options: {taylor: first', (w, g) => Math.abs(w * g)],
  ['gradient, options: {taylor: second', (w, g) => Math.abs(w * g - 0.5 * w ** 2 * g ** 2)],
  ['obd, options: {hessian: fisher', (w, g) => 0.5 * w ** 2 * g ** 2],
])('%s}: in every block, by the gradients of the dense model', async (method, score) => {
  const pruning = `method: ${method}, windows: 2, tokens: ${TOKENS}}, sparsity: 0.5`;
  const after = await prunedWeights([0, 1, 2], alike, pruning);
  const linears = [...modelGradients].filter(([name]) => name.endsWith('_proj.weight'));
  expect(linears).toHaveLength(3 * 7);
  for (const [name, gradients] of linears) {
    const before = floats(source, name);
    const scores = Float64Array.from(before, (w, i) => score(w, gradients[i] as number));
    const [group, zeros] = [before.length, before.length / 2];
    expectSmallestGone(floats(after, name), before, scores, { group, zeros });
  }
});

it('gblm: norms as if over 2048 tokens, gradients as if over 128 windows of as many', async () => {
  const alpha = 100;
  const options = `{windows: 2, tokens: ${TOKENS}, alpha: ${alpha}}`;
  const after = await prunedWeights([0, 1, 2], alike, `method: gblm, sparsity: 0.5, options: ${options}`);
  const share = Math.sqrt(2048 / alike.flat().length);
  const norms = attentionNorms(0, alike).map((norm) => norm * share);
  // A mean over fewer tokens is larger, about with their root.
  const weight = alpha * Math.sqrt(128) * Math.sqrt(TOKENS / 2048);
  for (const linear of attention) {
    const name = `model.layers.0.${linear}.weight`;
    const [before, gradients] = [source, modelGradients].map((from) => floats(from, name)) as [
      Float32Array,
      Float32Array,
    ];
    const scores = Float64Array.from(before, (w, i) => {
      return Math.abs(w) * ((norms[i % norms.length] as number) + weight * Math.abs(gradients[i] as number));
    });
    const [group, zeros] = [norms.length, norms.length / 2];
    expectSmallestGone(floats(after, name), before, scores, { group, zeros });
  }
});
