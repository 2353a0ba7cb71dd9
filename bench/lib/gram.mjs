/**
 * Gram matrices of random activations, through the same tasks as in a run.
 * @module
 */
import { gramStrips, stripElements } from '../../dist/statistics/gram-layout.js';
import { accumulateStrip } from '../../dist/statistics/gram-task.js';

/** f32 elements of the lower half in strips. */
export const gramElements = (size) => stripElements(gramStrips(size));

/**
 * Adds windows to a Gram matrix.
 *
 * @param {{address: bigint}} gram
 * @param {number} size features
 * @param {{address: bigint}[]} windows Xᵀ [size, tokens] of each
 * @param {number} tokens of each
 */
export async function accumulate(pool, gram, size, windows, tokens) {
  await pool.map(
    'statistics/gram-task',
    accumulateStrip,
    gramStrips(size).map((strip) => ({
      address: gram.address,
      strip,
      parts: windows.map(({ address }) => ({ address, tokens })),
    })),
  );
}
