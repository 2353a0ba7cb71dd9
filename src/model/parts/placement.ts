/**
 * Where matrices lie in larger tensors.
 * @module
 */
import type { Placement } from '../description.js';

/**
 * Consecutive rows of a stored [rows, columns].
 *
 * @param shape of the stored tensor, or [rows] for a bias
 */
export function rowsOf(
  tensor: string,
  shape: readonly number[],
  { first, count }: { readonly first: number; readonly count: number },
): Placement {
  const columns = shape[1] ?? 1;
  return {
    tensor,
    shape,
    offset: first * columns,
    run: count,
    runStride: 0,
    rowStride: columns,
    columnStride: 1,
  };
}

/**
 * Runs of rows of a stored [rows, columns] at equal distances.
 *
 * @param shape of the stored tensor, or [rows] for a bias
 * @param rows first row, rows of a run, and rows from the start of one run to the next
 */
export function runsOf(
  tensor: string,
  shape: readonly number[],
  { first, run, step }: { readonly first: number; readonly run: number; readonly step: number },
): Placement {
  const columns = shape[1] ?? 1;
  return {
    tensor,
    shape,
    offset: first * columns,
    run,
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
