/**
 * The model that a checkpoint holds.
 * @module
 */
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { checkTensors } from '../model/check-tensors.js';
import { describeModel } from '../model/describe-model.js';
import type { ModelDescription } from '../model/description.js';
import { type ReadableTensor, readableTensors } from '../quantization/readable-tensors.js';
import { type Locate, locateTensors } from './model-tensors.js';
import { floatTensor } from './stored-tensor.js';

export interface CheckpointModel {
  /** All of the checkpoint's, as they are read. */
  readonly tensors: ReadonlyMap<string, ReadableTensor>;
  readonly model: ModelDescription;
  /** Where the model's tensors are stored. */
  readonly locate: Locate;
}

/** @throws RequestError for a family that isn't supported, or tensors that aren't what `config.json` implies */
export function checkpointModel(
  checkpoint: Pick<Checkpoint, 'config' | 'folder' | 'tensors'>,
  tensors: ReadonlyMap<string, ReadableTensor> = readableTensors(checkpoint),
): CheckpointModel {
  const { config, folder } = checkpoint;
  const model = describeModel(config, `${folder}/config.json`, tensors);
  checkTensors(model, tensors, folder);
  return { tensors, model, locate: locateTensors(model, (name) => floatTensor(tensors, name)) };
}
