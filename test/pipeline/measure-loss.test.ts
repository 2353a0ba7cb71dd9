/** Changes of the model's loss, against PyTorch with these weights zeroed (scripts/golden/make-loss-golden.py). */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import type { CalibrationSet } from '../../src/calibration/load-calibration.js';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { HiddenStates } from '../../src/forward/hidden-states.js';
import { ModelStream } from '../../src/forward/model-stream.js';
import type { Locate } from '../../src/forward/model-tensors.js';
import { floatTensor } from '../../src/forward/stored-tensor.js';
import { elementCount } from '../../src/graph/value.js';
import { describeModel } from '../../src/model/describe-model.js';
import type { BlockDescription } from '../../src/model/description.js';
import { LossMeter } from '../../src/pipeline/blocks/measure-loss.js';
import type { Ablation } from '../../src/pipeline/methods/method.js';
import { storedTensors } from '../../src/quantization/readable-tensors.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { float32View } from '../../src/system/native-memory.js';
import { readGolden } from '../support/safetensors.js';

const modelFolder = fileURLToPath(new URL('../golden/tiny-llama/gqa-tied', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'secateur-loss-'));
const pools = [new WorkerPool(2), new WorkerPool(1)] as const;
afterAll(async () => {
  await Promise.all(pools.map((pool) => pool.close()));
  rmSync(folder, { recursive: true });
});

const checkpoint = await openCheckpoint(modelFolder);
const model = describeModel(checkpoint.config, modelFolder);
const source: Locate = (name) => floatTensor(storedTensors(checkpoint), name);
const golden = readGolden(join(modelFolder, 'losses.safetensors'));
const [windows = 0, tokens = 0] = golden.get('input_ids')?.shape ?? [];
const beginnings = Array.from(golden.get('input_ids')?.data as BigInt64Array, Number);
/** The windows go on with what doesn't count. */
const sequenceLength = tokens + 4;
const ids = Int32Array.from(
  Array.from({ length: windows }, (_, window) => [
    ...beginnings.slice(window * tokens, (window + 1) * tokens),
    ...[1, 2, 3, 4],
  ]).flat(),
);
const calibration = { tokens: ids, sequenceLength } as unknown as CalibrationSet;

/** Measures ablations of a block, and tells what became of its weights. */
async function measure(pool: WorkerPool, index: number, wanted: readonly [string, number[]][]) {
  const stream = new ModelStream(model, pool);
  const own = mkdtempSync(join(folder, 'meter-'));
  const states = new HiddenStates(join(own, 'calibration.hidden'), windows, sequenceLength, model.hiddenSize);
  await stream.embed(states, ids, source);
  for (const before of model.blocks.slice(0, index)) {
    await stream.propagate(before, await stream.loadBlock(before, source), states);
  }
  const block = model.blocks[index] as BlockDescription;
  const weights = await stream.loadBlock(block, source);
  const all = () =>
    block.tensors.map(({ name, shape }) =>
      float32View(weights[name]?.address ?? 0n, elementCount(shape)).slice(),
    );
  const before = all();
  const loss = { windows, tokens, measurements: () => 0, refusal: () => undefined };
  const meter = new LossMeter({
    run: { locate: source, model },
    loss,
    calibration,
    pool,
    stream,
    folder: own,
  });
  await meter.start(index, states);
  // What the block's record holds later is of no consequence.
  await stream.embed(states, ids, source);
  const ablations = wanted.map(
    ([name, indices]) =>
      ({
        linear: { weights: weights[`${name}.weight`] },
        indices: () => Uint32Array.from(indices),
      }) as unknown as Ablation,
  );
  const told: number[] = [];
  const changesOf = meter.changesOf(weights);
  const changes = await changesOf(ablations, (done) => told.push(done));
  const again = await changesOf(ablations.slice(1, 3));
  const after = all();
  meter.dispose();
  states.dispose();
  stream.dispose();
  return { changes, again, told, kept: { before, after }, left: readdirSync(own) };
}

const every = Array.from({ length: 48 * 48 }, (_, index) => index);

it.each([
  ['in the middle', 1],
  ['at the end', 2],
] as const)('of a block %s: as PyTorch has them with these weights zeroed', async (_, index) => {
  const wanted: [string, number[]][] = [
    ['self_attn.q_proj', [5]],
    ['self_attn.o_proj', [0, 1, 48, 49]],
    ['mlp.down_proj', every.slice(0, 208)],
    ['self_attn.o_proj', every],
    ['mlp.gate_proj', []],
  ];
  const { changes, again, kept, left } = await measure(pools[0], index, wanted);
  const expected = golden.get(`changes.${index}`)?.data as Float32Array;
  for (const at of wanted.slice(0, 4).keys()) {
    const differences = expected.slice(at * windows, (at + 1) * windows);
    const mean = differences.reduce((sum, value) => sum + value, 0) / windows;
    const spread = differences.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    expect(changes[at]?.mean).toBeCloseTo(mean, 5);
    expect(changes[at]?.standardError).toBeCloseTo(Math.sqrt(spread / (windows - 1) / windows), 5);
  }
  expect(changes[4]).toEqual({ mean: 0, standardError: 0 });
  expect(again).toEqual(changes.slice(1, 3));
  expect(kept.after).toEqual(kept.before);
  expect(left).toEqual([]);
});

it('in several batches and with any number of workers the same to the bit', async () => {
  const wanted = Array.from({ length: 70 }, (_, at): [string, number[]] => [
    'mlp.up_proj',
    every.slice((at % 60) * 7, (at % 60) * 7 + 7),
  ]);
  const [two, one] = await Promise.all(pools.map((pool) => measure(pool, 1, wanted)));
  expect(two?.changes).toEqual(one?.changes);
  expect(two?.changes.slice(60)).toEqual(two?.changes.slice(0, 10));
  expect(two?.told).toEqual([63, 70]);
});
