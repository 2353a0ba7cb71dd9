/**
 * Worker tasks: |w_ij|·‖X_j‖₂ over some rows of a linear.
 * @module
 */
import { float32View } from '../system/native-memory.js';

export interface WeighedRows {
  /** Of the rows' first weight, [rows, columns] f32. */
  readonly address: bigint;
  readonly rows: number;
  readonly columns: number;
  /** ‖X_j‖₂, [columns] */
  readonly columnNorms: Float32Array;
}

export function sumOfProducts(rows: WeighedRows): number {
  let sum = 0;
  forEachProduct(rows, (product) => {
    sum += product;
  });
  return sum;
}

export function countAbove({ threshold, ...rows }: WeighedRows & { readonly threshold: number }): number {
  let count = 0;
  forEachProduct(rows, (product) => {
    if (product > threshold) count++;
  });
  return count;
}

function forEachProduct(
  { address, rows, columns, columnNorms }: WeighedRows,
  visit: (product: number) => void,
): void {
  const weights = float32View(address, rows * columns);
  for (let row = 0, i = 0; row < rows; row++) {
    for (let j = 0; j < columns; j++, i++) visit(Math.abs(weights[i] as number) * (columnNorms[j] as number));
  }
}
