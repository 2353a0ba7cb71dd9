/**
 * Worker task: adds products of what rows of a linear lack with its input.
 * @module
 */
import { gemmSum } from '../runtime/gemm.js';

/** Rows of one linear. */
export interface CrossProductRows {
  /** Of the sum, [rows, columns] f32. */
  readonly address: bigint;
  readonly rows: number;
  readonly columns: number;
  readonly parts: readonly {
    /** [rows, tokens] f32 */
    readonly lack: bigint;
    /** [tokens, columns] f32 */
    readonly input: bigint;
    readonly tokens: number;
  }[];
}

/** Adds the parts in their order. @returns the seconds it took */
export function addCrossProducts({ address, rows, columns, parts }: CrossProductRows): number {
  const started = performance.now();
  const products = parts.map(({ lack, input, tokens }) => ({
    a: { address: lack, shape: [rows, tokens] },
    b: { address: input, shape: [tokens, columns] },
  }));
  gemmSum(products, { address, shape: [rows, columns] }, { accumulate: true });
  return (performance.now() - started) / 1000;
}
