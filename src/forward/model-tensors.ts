/**
 * The tensors that a model's forward needs, wherever a checkpoint has them.
 * @module
 */
import { describedTensors, storedName } from '../model/check-tensors.js';
import type { ModelDescription, Placement, TensorDescription } from '../model/description.js';
import type { Strides, TensorView } from '../runtime/tensor-file.js';
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
  const strides = { offset, run, runStride, rowStride, columnStride };
  const { file } = whole;
  if (typeof file !== 'string' && 'strides' in file) {
    const view: TensorView = { ...file, columns, strides: composed(name, strides, shape, file) };
    return { name, file: view, offset: 0, dtype, shape };
  }
  const view: TensorView = { whole: file, start: whole.offset, elementBytes, columns, strides };
  return { name, file: view, offset: 0, dtype, shape };
}

/**
 * The strides of a part of what is a view itself. One step of the part is so many runs, rows and columns of the view.
 *
 * @throws Error when the part's rows or columns don't stay within the view's
 */
function composed(
  name: string,
  part: Strides,
  [rows = 0, columns = 1]: readonly number[],
  { columns: width, strides: outer }: TensorView,
): Strides {
  const through = (elements: number) => {
    const row = Math.floor(elements / width);
    return (
      Math.floor(row / outer.run) * outer.runStride +
      (row % outer.run) * outer.rowStride +
      (elements % width) * outer.columnStride
    );
  };
  const strides = {
    offset: outer.offset + through(part.offset),
    run: part.run,
    runStride: through(part.runStride),
    rowStride: through(part.rowStride),
    columnStride: through(part.columnStride),
  };
  const last = (of: Strides) =>
    of.offset +
    Math.floor((rows - 1) / of.run) * of.runStride +
    (Math.min(rows, of.run) - 1) * of.rowStride +
    (columns - 1) * of.columnStride;
  if (last(strides) !== outer.offset + through(last(part))) {
    throw new Error(`${name} runs across the rows of what it is part of`);
  }
  return strides;
}

/** Whether a part lies in one piece, row after row. */
function isTogether({ run, rowStride, columnStride }: Placement, [rows = 0, columns = 1]: readonly number[]) {
  return columnStride === 1 && rowStride === columns && run >= rows;
}
