/**
 * How many weights each column block loses where some are zero already and stay so.
 * @module
 */

/**
 * Each block loses at least its existing zeros. What blocks with more of them than their share have too many, blocks after
 * them lose less, and blocks before them where that isn't enough. All together lose the sum of the shares, or, where the
 * existing zeros are more, just these.
 *
 * @param shares of each block, if nothing were zero
 * @param existing zeros of each block
 */
export function blockQuotas(shares: readonly number[], existing: readonly number[]): number[] {
  const goal = shares.reduce((sum, share) => sum + share, 0);
  let later = existing.reduce((sum, zeros) => sum + zeros, 0);
  let [before, wanted] = [0, 0];
  return shares.map((share, block) => {
    const own = existing[block] ?? 0;
    later -= own;
    wanted += share;
    const quota = Math.max(own, Math.min(wanted, goal - later) - before);
    before += quota;
    return quota;
  });
}
