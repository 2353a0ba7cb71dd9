/**
 * A block of a row-major matrix that may be too large for one view.
 * @module
 */
import { partsOf, rowsWithin } from '../runtime/parts.js';
import { float32View } from '../system/native-memory.js';

export interface MatrixBlock {
  /** Of the matrix, f32. */
  readonly address: bigint;
  /** Elements of a row of the matrix. */
  readonly stride: number;
  readonly row: number;
  readonly column: number;
  readonly rows: number;
  readonly columns: number;
}

/** Elements of a view, with those between the block's rows; at least a row. */
const VIEW_ELEMENTS = 2 ** 26;

/** Gives every row of a block, [columns], and its index in the block. */
export function forEachRow(
  { address, stride, row, column, rows, columns }: MatrixBlock,
  visit: (values: Float32Array, index: number) => void,
  viewElements = VIEW_ELEMENTS,
): void {
  for (const { first, count } of partsOf(rows, rowsWithin(viewElements, stride))) {
    const start = address + BigInt(((row + first) * stride + column) * 4);
    const view = float32View(start, (count - 1) * stride + columns);
    for (let i = 0; i < count; i++) visit(view.subarray(i * stride, i * stride + columns), first + i);
  }
}
