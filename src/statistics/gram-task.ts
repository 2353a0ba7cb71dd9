/**
 * Worker task: adds activations to strips of Gram matrices, to each in their order.
 * @module
 */
import { gemmSum } from '../runtime/gemm.js';
import { partsOf } from '../runtime/parts.js';
import { float32View } from '../system/native-memory.js';
import { gramStrips, type Strip, stripElements } from './gram-layout.js';

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
export async function accumulateStrips(sums: readonly StripsSum[]): Promise<number> {
  const started = performance.now();
  for (const { address, size, parts, strips } of sums) {
    // One view of each region: a view costs as much as starting a run, and counts for the garbage collector.
    const gram = float32View(address, stripElements(gramStrips(size)));
    const activations = parts.map((part) => ({
      x: float32View(part.address, size * part.tokens),
      columns: part.tokens,
    }));
    for (const block of partsOf(size, PRODUCT_ROWS)) {
      for (const { first, width, offset } of strips) {
        const row = Math.max(first, block.first);
        const rows = block.first + block.count - row;
        if (rows <= 0) continue;
        const products = activations.map(({ x, columns }) => ({
          a: { data: x.subarray(row * columns, (row + rows) * columns), rows, columns },
          b: { data: x.subarray(first * columns, (first + width) * columns), rows: width, columns },
        }));
        const start = offset + (row - first) * width;
        const out = { data: gram.subarray(start, start + rows * width), rows, columns: width };
        gemmSum(products, out, { transposeB: true, accumulate: true });
      }
    }
  }
  return (performance.now() - started) / 1000;
}
