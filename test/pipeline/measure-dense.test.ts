/** Column norms of the dense model, of a random tiny Llama whose hidden states are transformers'. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import type { CalibrationSet } from '../../src/calibration/load-calibration.js';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { checkpointModel } from '../../src/forward/checkpoint-model.js';
import { ModelStream } from '../../src/forward/model-stream.js';
import { buildBlock, HIDDEN_INPUT } from '../../src/graph/block-scope.js';
import { measureDense } from '../../src/pipeline/dense/allocate.js';
import { roomySettings } from '../../src/pipeline/prepare/memory-settings.js';
import type { PreparedRun } from '../../src/pipeline/prepare/prepare-run.js';
import { StageClock } from '../../src/pipeline/progress/stage-clock.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { evaluator } from '../support/evaluate-graph.js';
import { goldenModel } from '../support/golden-model.js';
import { layerPlans } from '../support/layer-plans.js';
import { columnNorms, rmsNorm } from '../support/llama-inputs.js';
import { relativeError } from '../support/relative-error.js';

const golden = fileURLToPath(new URL('../golden/tiny-llama/gqa-tied', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'secateur-dense-'));
const pool = new WorkerPool(2);
afterAll(async () => {
  await pool.close();
  rmSync(folder, { recursive: true });
});

const WINDOWS = 2;

const { model, ids, weight, expected } = await goldenModel(golden);
const { locate } = checkpointModel(await openCheckpoint(golden));
const tokens = ids.length;

async function denseNorms() {
  // The same window twice, and one that the allocation doesn't look at.
  const calibration = {
    tokens: Int32Array.from([...ids, ...ids, ...ids.toReversed()]),
    sequenceLength: tokens,
  } as unknown as CalibrationSet;
  const layers = layerPlans(model);
  const allocation = { windows: WINDOWS };
  const memory = roomySettings(2);
  const run = { model, locate, layers, calibration, allocation, memory } as unknown as PreparedRun;
  const stream = new ModelStream(model, pool);
  const clock = new StageClock('allocate', model.blocks.length, WINDOWS * tokens, () => {});
  const { columns } = await measureDense({ run, pool, stream, calibration, folder, clock });
  stream.dispose();
  expect(readdirSync(folder)).toEqual([]);
  return columns;
}

it('gives the norms of what every linear reads behind the blocks before it', async () => {
  const columns = await denseNorms();
  expect([...columns.keys()].sort()).toEqual(
    model.blocks.flatMap(({ prefix, linears }) => linears.map(({ name }) => prefix + name)).sort(),
  );
  for (const [index, unit] of model.blocks.entries()) {
    const states = expected(index === 0 ? 'embeddings' : `hidden_states.${index - 1}`);
    const { graph, linears } = buildBlock(unit, tokens);
    for (const linear of linears) graph.output(linear.name, linear.input);
    const weights = unit.tensors.map(({ name }) => [name, weight(unit.prefix + name)] as const);
    const inputs = evaluator(graph.build())({ ...Object.fromEntries(weights), [HIDDEN_INPUT]: states });
    const scale = weight(`${unit.prefix}input_layernorm.weight`);
    const ofAttention = rmsNorm(states, scale, 1e-5);
    for (const { name } of linears) {
      const read = /[qkv]_proj$/.test(name) ? ofAttention : (inputs[name] as Float32Array);
      const ofWindow = columnNorms(read, read.length / tokens);
      const norms = columns.get(unit.prefix + name) as Float32Array;
      const wanted = ofWindow.map((norm) => norm * Math.sqrt(WINDOWS));
      expect(relativeError(norms, wanted), unit.prefix + name).toBeLessThan(1e-5);
    }
  }
});
