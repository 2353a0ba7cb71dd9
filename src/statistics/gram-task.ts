/**
 * Worker task: adds activations to strips of Gram matrices, to each in their order.
 * @module
 */
import { gemmSum } from '../runtime/gemm.js';
import { partsOf } from '../runtime/parts.js';
import type { TensorRef } from '../runtime/tensor-ref.js';
import type { Strip } from './gram-layout.js';

/**
 * Rows that strips go through together. GEMM goes through all rows of a product for every few columns of each: with 4,096
 * rows of 8 KiB, more pages than a processor remembers the places of, it runs at two thirds of its speed.
 */
const PRODUCT_ROWS = 1024;

/** What is to be added to some strips of a Gram matrix. */
export interface StripsSum {
  /** Of the Gram matrix. */
  readonly address: bigint;
  readonly size: number;
  readonly strips: readonly Strip[];
  /** Xᵀ [size, tokens] each. */
  readonly parts: readonly { readonly address: bigint; readonly tokens: number }[];
}

/** @returns the seconds it took */
export function accumulateStrips(sums: readonly StripsSum[]): number {
  const started = performance.now();
  for (const { address, size, parts, strips } of sums) {
    for (const block of partsOf(size, PRODUCT_ROWS)) {
      for (const { first, width, offset } of strips) {
        const row = Math.max(first, block.first);
        const rows = block.first + block.count - row;
        if (rows <= 0) continue;
        const products = parts.map((x) => ({ a: rowsOf(x, row, rows), b: rowsOf(x, first, width) }));
        const start = offset + (row - first) * width;
        const out = { address: address + BigInt(start * 4), shape: [rows, width] };
        gemmSum(products, out, { transposeB: true, accumulate: true });
      }
    }
  }
  return (performance.now() - started) / 1000;
}

function rowsOf({ address, tokens }: StripsSum['parts'][number], first: number, count: number): TensorRef {
  return { address: address + BigInt(first * tokens * 4), shape: [count, tokens] };
}
