/** What a checkpoint's blocks make of windows. @module */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { loadRunFile } from '../../src/config/load-run-file.js';
import { HiddenStates } from '../../src/forward/hidden-states.js';
import { ModelStream } from '../../src/forward/model-stream.js';
import { floatTensor } from '../../src/forward/stored-tensor.js';
import { describeModel } from '../../src/model/describe-model.js';
import { runSchema } from '../../src/pipeline/methods/method-registry.js';
import { prepareRun } from '../../src/pipeline/prepare/prepare-run.js';
import { storedTensors } from '../../src/quantization/readable-tensors.js';
import type { WorkerPool } from '../../src/runtime/worker-pool.js';

/** The last block's output for the calibration windows of a run file, [windows · tokens, hidden]. */
export async function modelOutput(
  pool: WorkerPool,
  checkpointFolder: string,
  runFile: string,
): Promise<Float32Array> {
  const { calibration } = await prepareRun(loadRunFile(runFile, runSchema, { set: [] }).config);
  if (!calibration) throw new Error(`${runFile} has no calibration`);
  const { samples, sequenceLength, tokens } = calibration;
  const checkpoint = await openCheckpoint(checkpointFolder);
  const described = describeModel(checkpoint.config, checkpointFolder);
  const stream = new ModelStream(described, pool);
  const locate = (name: string) => floatTensor(storedTensors(checkpoint), name);
  const folder = mkdtempSync(join(tmpdir(), 'secateur-output-'));
  const record = stream.recordBytes(sequenceLength);
  const states = new HiddenStates(
    join(folder, 'states'),
    samples,
    sequenceLength,
    described.hiddenSize,
    record,
  );
  await stream.embed(states, tokens, locate);
  for (const block of described.blocks) {
    await stream.runBlock(block, await stream.loadBlock(block, locate), states, locate);
  }
  stream.dispose();
  const bytes = readFileSync(states.path);
  rmSync(folder, { recursive: true });
  const length = sequenceLength * described.hiddenSize * 4;
  const windows = Array.from({ length: samples }, (_, w) => bytes.subarray(w * record, w * record + length));
  return new Float32Array(new Uint8Array(Buffer.concat(windows)).buffer);
}
