/**
 * Worker task: adds activations to strips of Gram matrices, to each in their order.
 * @module
 */
import { gemmSum } from '../runtime/gemm.js';
import { float32View } from '../system/native-memory.js';
import { gramStrips, type Strip, stripElements } from './gram-layout.js';

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
    for (const { first, width, rows, offset } of strips) {
      const products = activations.map(({ x, columns }) => ({
        a: { data: x.subarray(first * columns), rows, columns },
        b: { data: x.subarray(first * columns, (first + width) * columns), rows: width, columns },
      }));
      const out = { data: gram.subarray(offset, offset + rows * width), rows, columns: width };
      await gemmSum(products, out, { transposeB: true, accumulate: true });
    }
  }
  return (performance.now() - started) / 1000;
}
