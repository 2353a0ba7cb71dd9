/**
 * What allocations share that look at the dense model.
 * @module
 */
import { z } from 'zod';
import type { DenseLinear } from './allocation.js';

/** The option `windows`. */
export const measuringWindows = z
  .int()
  .min(1)
  .default(32)
  .describe('Calibration windows, from the first, on which the dense model is measured.');

/** The option `bound`. */
export const sparsityBound = z
  .number()
  .positive()
  .max(1)
  .default(0.15)
  .describe('How far the sparsity of a linear may lie from the goal.');

/** The linear with its column norms. */
export function measuredLinear(linear: DenseLinear): DenseLinear & { readonly columnNorms: Float32Array } {
  const { name, columnNorms } = linear;
  if (!columnNorms) throw new Error(`${name} was not measured`);
  return { ...linear, columnNorms };
}

/** Linears by their block, both in order. */
export function byBlock<Linear extends { readonly block: number }>(
  linears: readonly Linear[],
): Map<number, Linear[]> {
  const blocks = new Map<number, Linear[]>();
  for (const linear of linears) {
    const own = blocks.get(linear.block);
    if (own) own.push(linear);
    else blocks.set(linear.block, [linear]);
  }
  return blocks;
}
