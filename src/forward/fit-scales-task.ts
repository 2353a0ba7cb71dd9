/**
 * Worker task: makes the scales of an encoded tensor large enough for the weights that are to be stored.
 * @module
 */
import type { TensorFile } from '../runtime/tensor-file.js';
import { fitScales } from '../runtime/worker-files.js';
import { float32View } from '../system/native-memory.js';

export interface FitScalesArguments {
  /** f32 elements in native memory, all that lie in the blocks they touch. */
  readonly source: bigint;
  readonly elements: number;
  readonly file: TensorFile;
  readonly offset: number;
}

/** Scales that are large enough stay, so that what has not moved is stored as it was. */
export function fitScalesTo({ source, elements, file, offset }: FitScalesArguments): void {
  fitScales(file, offset, float32View(source, elements));
}
