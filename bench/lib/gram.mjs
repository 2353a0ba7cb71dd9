/**
 * Gram matrices of random activations, through the same tasks as in a run.
 * @module
 */
import { gramStrips, stripElements } from '../../dist/statistics/gram-layout.js';
import { accumulateStrips } from '../../dist/statistics/gram-task.js';
import { shareStrips } from '../../dist/statistics/share-strips.js';

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
  const parts = windows.map(({ address }) => ({ address, tokens }));
  const shares = shareStrips([{ size }], windows.length * tokens, pool.size);
  const tasks = shares.map((share) =>
    share.map(({ strips }) => ({ address: gram.address, size, strips, parts })),
  );
  await pool.map('statistics/gram-task', accumulateStrips, tasks);
}
