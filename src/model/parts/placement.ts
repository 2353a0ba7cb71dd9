/**
 * Where matrices lie in larger tensors.
 * @module
 */
import type { Placement } from '../description.js';

export interface Rows {
  /** The first of the matrix. */
  readonly first: number;
  readonly count: number;
  /** Rows from the start of one run of so many to the next, where there is more than one run. */
  readonly step?: number | undefined;
  /** Of the matrix, in a tensor of several. */
  readonly matrix?: number | undefined;
}

/**
 * Consecutive rows of a stored [rows, columns] or [matrices, rows, columns], or runs of rows at equal distances.
 *
 * @param shape of the stored tensor, or [rows] for a bias
 */
export function rowsOf(
  tensor: string,
  shape: readonly number[],
  { first, count, step = 0, matrix = 0 }: Rows,
): Placement {
  const [rows = 0, columns = 1] = shape.slice(-2);
  return {
    tensor,
    shape,
    offset: (matrix * rows + first) * columns,
    run: count,
    runStride: step * columns,
    rowStride: columns,
    columnStride: 1,
  };
}

/** Consecutive columns of a stored [in, out], each of them a row (output neuron) of the matrix. */
export function transposedRowsOf(
  tensor: string,
  shape: readonly [number, number],
  { first, count }: { readonly first: number; readonly count: number },
): Placement {
  return {
    tensor,
    shape,
    offset: first,
    run: count,
    runStride: 0,
    rowStride: 1,
    columnStride: shape[1],
  };
}
