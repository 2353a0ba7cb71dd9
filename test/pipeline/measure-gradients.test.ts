/** The file of moments, of random tiny Llamas with golden gradients by PyTorch. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import type { CalibrationSet } from '../../src/calibration/load-calibration.js';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { checkpointModel } from '../../src/forward/checkpoint-model.js';
import { ModelStream } from '../../src/forward/model-stream.js';
import { GradientFile } from '../../src/pipeline/dense/gradient-file.js';
import { measureGradients } from '../../src/pipeline/dense/measure-gradients.js';
import { roomySettings } from '../../src/pipeline/prepare/memory-settings.js';
import type { PreparedRun } from '../../src/pipeline/prepare/prepare-run.js';
import { StageClock } from '../../src/pipeline/progress/stage-clock.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import type { FiledMatrix } from '../../src/statistics/gradient-moments.js';
import { layerPlans } from '../support/layer-plans.js';
import { relativeError } from '../support/relative-error.js';
import { readGolden } from '../support/safetensors.js';

const golden = fileURLToPath(new URL('../golden/tiny-llama', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'secateur-moments-'));
const pool = new WorkerPool(2);
afterAll(async () => {
  await pool.close();
  rmSync(folder, { recursive: true });
});

function readMatrix({ path, offset }: FiledMatrix, length: number): Float32Array {
  return new Float32Array(new Uint8Array(readFileSync(path)).slice(offset, offset + length * 4).buffer);
}

it('holds the gradients of PyTorch for every linear that is pruned, from the beginning of windows', async () => {
  const name = 'gqa-tied';
  const checkpoint = await openCheckpoint(join(golden, name));
  const { model, locate } = checkpointModel(checkpoint);
  const expected = readGolden(join(golden, name, 'gradients.safetensors'));
  const ids = readGolden(join(golden, name, 'expected.safetensors')).get('input_ids')?.data as BigInt64Array;
  const gradients = {
    of: 'cross-entropy' as const,
    windows: 2,
    tokens: ids.length,
    moments: ['mean', 'root mean square'] as const,
  };
  // The same beginning twice, each followed by what doesn't count, and a window that doesn't.
  const window = [...Array.from(ids, Number), 1, 2, 3];
  const calibration = {
    tokens: Int32Array.from([...window, ...window, ...window.toReversed()]),
    sequenceLength: window.length,
  } as unknown as CalibrationSet;
  const layers = layerPlans(model, (linear) => linear.endsWith('k_proj'));
  const run = { locate, model, layers, gradients, memory: roomySettings(2) } as unknown as PreparedRun;
  const file = new GradientFile(folder, run);
  const stream = new ModelStream(model, pool);
  const clock = new StageClock('gradients', model.blocks.length, 0, () => {});
  expect(file.isComplete).toBe(false);
  await measureGradients({ run, pool, stream, calibration, gradients, folder, file, clock });
  stream.dispose();
  expect(file.isComplete).toBe(true);
  expect(readdirSync(folder)).toEqual(['gradients.f32']);
  for (const layer of layers.filter(({ pattern }) => pattern !== 'dense')) {
    const gradient = expected.get(`${layer.name}.weight`)?.data as Float32Array;
    const [mean, rootMeanSquare] = file.matrices(layer).map((each) => readMatrix(each, gradient.length));
    expect(relativeError(mean as Float32Array, gradient)).toBeLessThan(1e-4);
    expect(relativeError(rootMeanSquare as Float32Array, gradient.map(Math.abs))).toBeLessThan(1e-4);
  }
  file.remove();
  expect(readdirSync(folder)).toEqual([]);
});
