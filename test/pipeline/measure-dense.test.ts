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
import type { LayerPlan } from '../../src/pipeline/prepare/layer-plan.js';
import { roomySettings } from '../../src/pipeline/prepare/memory-settings.js';
import type { PreparedRun } from '../../src/pipeline/prepare/prepare-run.js';
import { StageClock } from '../../src/pipeline/progress/stage-clock.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { evaluator } from '../support/evaluate-graph.js';
import { goldenModel } from '../support/golden-model.js';
import { relativeError } from '../support/relative-error.js';

const golden = fileURLToPath(new URL('../golden/tiny-llama/gqa-tied', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'secateur-dense-'));
const pool = new WorkerPool(2);
afterAll(async () => {
  await pool.close();
  rmSync(folder, { recursive: true });
});

const WINDOWS = 2;
const EPSILON = 1e-5;

const { model, ids, weight, expected } = await goldenModel(golden);
const { locate } = checkpointModel(await openCheckpoint(golden));
const tokens = ids.length;

async function denseNorms() {
  // The same window twice, and one that the allocation doesn't look at.
  const calibration = {
    tokens: Int32Array.from([...ids, ...ids, ...ids.toReversed()]),
    sequenceLength: tokens,
  } as unknown as CalibrationSet;
  const layers = model.blocks.flatMap((unit, block): LayerPlan[] =>
    unit.linears.map((linear) => ({
      name: unit.prefix + linear.name,
      block,
      unit,
      linear,
      pattern: { kind: 'unstructured', sparsity: 0.5 },
      shares: true,
    })),
  );
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

/** Of rows of a window, over all windows. */
function columnNorms(rows: Float32Array): number[] {
  const columns = rows.length / tokens;
  return Array.from({ length: columns }, (_, j) => {
    let sum = 0;
    for (let t = 0; t < tokens; t++) sum += (rows[t * columns + j] as number) ** 2;
    return Math.sqrt(WINDOWS * sum);
  });
}

function normalised(states: Float32Array, scale: Float32Array): Float32Array {
  const size = scale.length;
  return states.map((value, index) => {
    const row = states.subarray(index - (index % size), index - (index % size) + size);
    const meanSquare = row.reduce((sum, x) => sum + x * x, 0) / size;
    return (value / Math.sqrt(meanSquare + EPSILON)) * (scale[index % size] as number);
  });
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
    const ofAttention = normalised(states, weight(`${unit.prefix}input_layernorm.weight`));
    for (const { name } of linears) {
      const read = /[qkv]_proj$/.test(name) ? ofAttention : (inputs[name] as Float32Array);
      const norms = columns.get(unit.prefix + name) as Float32Array;
      expect(relativeError(norms, columnNorms(read)), unit.prefix + name).toBeLessThan(1e-5);
    }
  }
});
