/**
 * The tensors that a model's forward needs, wherever a checkpoint has them.
 * @module
 */
import { describedTensors, storedName } from '../model/check-tensors.js';
import type { ModelDescription, Placement, TensorDescription } from '../model/description.js';
import type { TensorFile } from '../runtime/tensor-file.js';
import { bytesPerElement } from './float-storage.js';
import type { StoredFloatTensor } from './stored-tensor.js';

/** Where the tensor of a full name is stored. */
export type Locate = (name: string) => StoredFloatTensor;

/**
 * Finds described tensors: those of their own, and those that are parts of others.
 *
 * @param find where the stored tensor of a full name lies
 */
export function locateTensors(model: ModelDescription, find: Locate): Locate {
  const parts = new Map(
    describedTensors(model).flatMap((tensor) => (tensor.stored ? [[tensor.name, tensor] as const] : [])),
  );
  return (name) => {
    const tensor = parts.get(name);
    return tensor ? locatePart(tensor, find(storedName(tensor))) : find(name);
  };
}

function locatePart({ name, shape, stored }: TensorDescription, whole: StoredFloatTensor): StoredFloatTensor {
  if (!stored) return whole;
  const { dtype } = whole;
  const elementBytes = bytesPerElement(dtype);
  const columns = shape[1] ?? 1;
  if (isTogether(stored, shape)) {
    return { name, file: whole.file, offset: whole.offset + stored.offset * elementBytes, dtype, shape };
  }
  const { offset, run, runStride, rowStride, columnStride } = stored;
  if (typeof whole.file !== 'string') throw new Error(`${name} is part of what is itself a part`);
  const file: TensorFile = {
    path: whole.file,
    start: whole.offset,
    elementBytes,
    columns,
    strides: { offset, run, runStride, rowStride, columnStride },
  };
  return { name, file, offset: 0, dtype, shape };
}

/** Whether a part lies in one piece, row after row. */
function isTogether({ run, rowStride, columnStride }: Placement, [rows = 0, columns = 1]: readonly number[]) {
  return columnStride === 1 && rowStride === columns && run >= rows;
}
