/**
 * Worker task: adds activations to one strip of a Gram matrix, in their order.
 * @module
 */
import { gemmSum } from '../runtime/gemm.js';
import { float32View } from '../system/native-memory.js';
import type { Strip } from './gram-layout.js';

export interface GramArguments {
  /** Of the Gram matrix. */
  readonly address: bigint;
  readonly strip: Strip;
  /** Xᵀ [n, tokens] each. */
  readonly parts: readonly { readonly address: bigint; readonly tokens: number }[];
}

/** @returns the seconds it took */
export async function accumulateStrip(args: GramArguments): Promise<number> {
  const started = performance.now();
  const { strip, parts } = args;
  const { first, width, rows, offset } = strip;
  const out = { data: float32View(args.address + BigInt(offset * 4), rows * width), rows, columns: width };
  const products = parts.map(({ address, tokens }) => {
    const below = float32View(address + BigInt(first * tokens * 4), rows * tokens);
    return {
      a: { data: below, rows, columns: tokens },
      b: { data: below.subarray(0, width * tokens), rows: width, columns: tokens },
    };
  });
  await gemmSum(products, out, { transposeB: true, accumulate: true });
  return (performance.now() - started) / 1000;
}
