/**
 * In what order a solver goes through the columns of a matrix.
 * @module
 */

/** As the columns lie. */
export function naturalOrder(columns: number): Uint32Array {
  return Uint32Array.from({ length: columns }, (_, column) => column);
}

/**
 * The columns with the largest diagonal elements first (the act-order of GPTQ, Frantar et al. 2022, arXiv 2210.17323). Groups of
 * consecutive columns stay together in their own order, and the largest sum comes first. Of equals the lower index goes
 * first.
 *
 * @param diagonal of the Hessian, [columns]
 * @param group columns of a group, a divisor of all
 */
export function activationOrder(diagonal: Float64Array, group = 1): Uint32Array {
  const sums = Float64Array.from({ length: diagonal.length / group }, (_, index) =>
    diagonal.subarray(index * group, (index + 1) * group).reduce((sum, value) => sum + value, 0),
  );
  const groups = Array.from(sums.keys()).sort((a, b) => (sums[b] as number) - (sums[a] as number) || a - b);
  return Uint32Array.from(
    groups.flatMap((index) => Array.from({ length: group }, (_, k) => index * group + k)),
  );
}
