/**
 * Memory of the bands that transposed tensors are read and written in.
 * @module
 */
import { bytesPerElement } from '../../forward/float-storage.js';
import { elementCount } from '../../graph/value.js';
import { unitsOf } from '../../model/description.js';
import { BAND_ELEMENTS, isTransposed } from '../../runtime/view-bands.js';
import type { PreparedRun } from '../prepare/prepare-run.js';

/** What a worker reads and what it writes. */
export function bandBytes({ model, locate }: Pick<PreparedRun, 'model' | 'locate'>): number {
  let most = 0;
  for (const { prefix, tensors } of model.blocks.flatMap(unitsOf)) {
    for (const { name, shape } of tensors) {
      const { file, dtype } = locate(prefix + name);
      if (!isTransposed(file)) continue;
      const elements = Math.min(elementCount(shape), BAND_ELEMENTS);
      most = Math.max(most, 2 * elements * bytesPerElement(dtype));
    }
  }
  return most;
}
