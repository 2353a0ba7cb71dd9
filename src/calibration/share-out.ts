/**
 * Sharing a number of windows among several sources.
 * @module
 */

/**
 * Shares `total` out in proportion to `weights` by the method of largest remainders: everyone the floor of their exact
 * share, what is left to the largest fractions, ties to the earlier.
 * @returns whole numbers that add up to `total`
 */
export function shareOut(total: number, weights: readonly number[]): number[] {
  const sum = weights.reduce((a, b) => a + b, 0);
  const exact = weights.map((weight) => (total * weight) / sum);
  const shares = exact.map(Math.floor);
  const left = total - shares.reduce((a, b) => a + b, 0);
  const byFraction = exact
    .map((share, index) => ({ index, fraction: share - Math.floor(share) }))
    .sort((a, b) => b.fraction - a.fraction || a.index - b.index);
  for (const { index } of byFraction.slice(0, left)) shares[index] = (shares[index] ?? 0) + 1;
  return shares;
}

/**
 * An order in which sources that give `shares` windows each are spread evenly: always the one that is furthest behind
 * its share so far, ties to the earlier. `[2, 1]` gives 0, 1, 0.
 * @returns the index of the source for each window
 */
export function interleave(shares: readonly number[]): number[] {
  const total = shares.reduce((a, b) => a + b, 0);
  const taken = shares.map(() => 0);
  return Array.from({ length: total }, (_, step) => {
    let best = 0;
    let lag = Number.NEGATIVE_INFINITY;
    for (const [index, share] of shares.entries()) {
      const own = share * (step + 1) - (taken[index] as number) * total;
      if ((taken[index] as number) < share && own > lag) {
        best = index;
        lag = own;
      }
    }
    taken[best] = (taken[best] as number) + 1;
    return best;
  });
}
