/**
 * The allocation that a scope of magnitude beyond the matrix is, and that its threshold is: a cut at one |w| for many linears.
 * Run files have no name for it.
 * @module
 */

import { z } from 'zod';
import { weightCount } from '../../model/description.js';
import { countsBelow } from '../../sparsity/find-cuts.js';
import { storedParts } from '../../sparsity/stored-parts.js';
import { type Allocation, NO_ALLOCATION_WORK } from './allocation.js';
import { cutBytes, cutShares } from './cut-shares.js';

const options = z.union([
  z.strictObject({ scope: z.enum(['model', 'block']) }),
  z.strictObject({ threshold: z.number().positive() }),
]);

export const magnitudeCut: Omit<Allocation, 'name' | 'options'> = {
  looks: true,
  windows: () => 0,
  spread: () => 1,
  async share(pool, { linears, goal = 0 }, given) {
    const cut = options.parse(given);
    const scored = linears.map((linear) => ({ ...linear, parts: storedParts(linear, 'magnitude') }));
    if ('scope' in cut) return await cutShares(pool, scored, goal, cut.scope);
    const counts = await countsBelow(pool, scored, leastBitsAbove(cut.threshold));
    return { sparsities: counts.map((zeros, i) => zeros / (linears[i]?.size ?? 1)), isExact: true };
  },
  work: (linears) => ({
    ...NO_ALLOCATION_WORK,
    bytes: cutBytes(linears.length),
    scored: 2 * weightCount(linears),
  }),
};

/** Bits of the least f32 that isn't below a positive number. */
function leastBitsAbove(value: number): number {
  const [single] = Float32Array.of(value);
  const [bits = 0] = new Uint32Array(Float32Array.of(value).buffer);
  return (single as number) < value ? bits + 1 : bits;
}
