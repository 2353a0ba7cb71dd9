/** What plans, disk and reports count of mixtures of experts and of transposed tensors. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { loadRunFile } from '../../src/config/load-run-file.js';
import { checkpointModel } from '../../src/forward/checkpoint-model.js';
import { lossRecordBytes, wholeRecordBytes } from '../../src/forward/model-stream.js';
import { elementCount } from '../../src/graph/value.js';
import { unitsOf } from '../../src/model/description.js';
import { gradientFileBytes } from '../../src/pipeline/dense/gradient-file.js';
import { bandBytes } from '../../src/pipeline/estimates/band-memory.js';
import { estimateFlops } from '../../src/pipeline/estimates/estimate-flops.js';
import { memoryEstimator } from '../../src/pipeline/estimates/estimate-memory.js';
import { heldGradients } from '../../src/pipeline/estimates/gradient-memory.js';
import { runSchema } from '../../src/pipeline/methods/method-registry.js';
import { macsPerToken } from '../../src/pipeline/output/macs-per-token.js';
import { diskNeed } from '../../src/pipeline/prepare/disk-space.js';
import { prepareRun } from '../../src/pipeline/prepare/prepare-run.js';
import { recordBytes } from '../../src/pipeline/prepare/prune-plans.js';
import { makeFamilyModel } from '../support/family-model.js';
import { quickstartRuns } from '../support/quickstart-runs.js';

const golden = fileURLToPath(new URL('../golden/families', import.meta.url));
const { newPath, runFile } = quickstartRuns();
const [WINDOWS, TOKENS] = [6, 64];

const models = new Map(
  ['qwen3-moe', 'gpt2'].map((family) => {
    const path = newPath(family);
    makeFamilyModel(family, path);
    return [family, path];
  }),
);

async function prepared(family: string, prune: string) {
  const { path } = runFile({ model: models.get(family) ?? '', prune });
  return await prepareRun(loadRunFile(path, runSchema, { set: [] }).config);
}

const denseExpert = (index: number) =>
  `{method: sparsegpt, sparsity: 0.5, rules: [{match: "*.experts.${index}.*", keep: dense}]}`;

describe('a mixture of experts', () => {
  it('is planned with all of its experts, whichever of them are pruned', async () => {
    const [none, first, last] = await Promise.all(
      ['{method: sparsegpt, sparsity: 0.5}', denseExpert(0), denseExpert(7)].map((prune) =>
        prepared('qwen3-moe', prune).then(estimateFlops),
      ),
    );
    expect(first).toEqual(last);
    expect(first?.gram).toBeLessThan(none?.gram ?? 0);
    const gradients = await Promise.all(
      [denseExpert(0), denseExpert(7)].map((prune) =>
        prepared('qwen3-moe', prune.replace('sparsegpt', 'gradient')).then(estimateFlops),
      ),
    );
    expect(gradients[0]?.gradients).toBeCloseTo(gradients[1]?.gradients ?? 0, 0);
  });

  it('has as many multiply-accumulates a token as there are in what a token goes through', async () => {
    const { model, layers } = await prepared('qwen3-moe', '{method: magnitude, sparsity: 0.5}');
    const reports = layers.map(({ linear }) => ({
      numel: linear.out * linear.in,
      zeros: (linear.out * linear.in) / 2,
    }));
    const linears = 32 * (48 + 24 + 24 + 48) + 2 * 3 * 32 * 20;
    const head = model.vocabularySize * 32;
    expect(macsPerToken({ model, layers }, reports)).toEqual({
      dense: 2 * linears + head,
      effective: linears + head,
    });
  });

  it('asks for the disk that the files of its experts take', async () => {
    // Of each token at least the hidden state and its weight.
    const ofExpert = WINDOWS * TOKENS * (32 + 1) * 4;
    const wanda = await prepared('qwen3-moe', '{method: wanda, sparsity: 0.5}');
    expect(diskNeed(wanda).calibration).toBeGreaterThanOrEqual(WINDOWS * recordBytes(wanda) + ofExpert);
    const gradient = await prepared('qwen3-moe', '{method: gradient, sparsity: 0.5}');
    const { model } = gradient;
    const kept = 2 * TOKENS * 32 * 4 + lossRecordBytes(model, TOKENS);
    const routed = wholeRecordBytes(model, TOKENS) + TOKENS * (32 + 8) * 4;
    expect(diskNeed(gradient).calibration).toBeGreaterThanOrEqual(
      gradientFileBytes(gradient) + WINDOWS * (kept + routed) + 3 * ofExpert,
    );
  });

  it('has room for the gradients of as many windows of an expert as may be in work', async () => {
    // 2 windows of 64 tokens are 8 of 16 tokens, if all of them go to one expert.
    const run = await prepared('qwen3-moe', '{method: gradient, sparsity: 0.5, options: {windows: 2}}');
    const settings = { ...run.memory, workers: 3 };
    const attention = 32 * (48 + 24 + 24 + 48) * 4;
    const expert = 3 * 32 * 20 * 4;
    const held = (linears: typeof run.layers) =>
      heldGradients({ ...run, layers: linears }, settings, { windows: 2, tokens: TOKENS }).bytes;
    const experts = run.layers.filter(({ name }) => name.includes('.experts.'));
    const others = run.layers.filter(({ name }) => !name.includes('.experts.'));
    expect(held(experts)).toBe((2 + 2 * 3) * expert);
    expect(held(others)).toBe((2 + 2) * attention);
  });

  it('has one cell for its experts in charts, however many they are', async () => {
    const run = await prepared('qwen3-moe', '{method: magnitude, sparsity: 0.5}');
    const [layer] = run.layers.filter(({ name }) => name.includes('experts.1.up_proj'));
    const many = Array.from({ length: 20_000 }, (_, index) => ({
      ...layer,
      name: `model.layers.0.mlp.experts.${index}.up_proj`,
    })) as typeof run.layers;
    const { peakBytes } = memoryEstimator({ ...run, layers: [...run.layers, ...many] }, 0)(run.memory);
    expect(peakBytes).toBeLessThan(400e6);
  });
});

describe('transposed tensors', () => {
  it('are read and written in bands by methods that prune what is stored, too', async () => {
    const run = await prepared('gpt2', '{method: magnitude, sparsity: 0.5}');
    const largest = Math.max(
      ...run.model.blocks
        .flatMap(unitsOf)
        .flatMap(({ tensors }) => tensors.map(({ shape }) => elementCount(shape))),
    );
    const [{ name }] = run.layers as [(typeof run.layers)[number]];
    const bytes = { F32: 4, F16: 2, BF16: 2 }[run.locate(`${name}.weight`).dtype];
    expect(bandBytes(run)).toBe(2 * largest * bytes);
    const straight = {
      ...run,
      locate: (tensor: string) => ({ ...run.locate(tensor), file: 'x' }),
    };
    const settings = { ...run.memory, workers: 8 };
    const [peak = 0, least = 0] = [run, straight].map((each) => memoryEstimator(each, 0)(settings).peakBytes);
    expect(peak - least).toBeGreaterThanOrEqual(8 * bandBytes(run));
  });

  it('are those of experts as well, and no others', async () => {
    const bytesOf = async (family: string) =>
      bandBytes(checkpointModel(await openCheckpoint(join(golden, family))));
    expect(await bytesOf('gpt_oss')).toBe(2 * 12 * 32 * 2);
    expect(await bytesOf('qwen3-moe')).toBe(0);
  });
});
