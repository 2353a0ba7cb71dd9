/** DSnoT as `refineMask` describes it, by looking at every weight again in every cycle. @module */
import type { RefinementInputs, RefinementOptions } from '../../src/sparsity/dsnot.js';

const sum = (list: readonly number[]) => list.reduce((total, value) => total + value, 0);

/**
 * The mask of one row after its swaps.
 *
 * @param dense the row's weights
 * @param kept the mask before
 * @param group consecutive inputs within which weights are swapped
 */
export function refinedRow(
  dense: Float32Array,
  kept: readonly boolean[],
  { mean, variance, norms }: RefinementInputs,
  { cycles, threshold, variancePower, sameSign }: RefinementOptions,
  group: number,
): boolean[] {
  const mask = [...kept];
  const places = [...mask.keys()];
  const change = (j: number) => (dense[j] as number) * (mean[j] as number) * 2048;
  const score = (j: number) => Math.abs(dense[j] as number) * (norms[j] as number);
  const isFresh = (j: number) => mask[j] === kept[j];
  const errorOf = () => sum(places.filter((j) => !mask[j]).map(change));
  for (let cycle = 0; cycle < cycles; cycle++) {
    const error = errorOf();
    if (Math.abs(error) <= threshold) break;
    const gain = (j: number) => (change(j) * Math.sign(error)) / (variance[j] as number) ** variancePower;
    const droppedFor = (regrown: number) =>
      places
        .filter((j) => mask[j] && isFresh(j) && gain(j) < 0)
        .filter((j) => Math.floor(j / group) === Math.floor(regrown / group))
        .sort((a, b) => score(a) - score(b))[0];
    const regrown = places
      .filter((j) => !mask[j] && isFresh(j) && gain(j) > 0)
      .sort((a, b) => gain(b) - gain(a))
      .find((j) => droppedFor(j) !== undefined);
    if (regrown === undefined) break;
    const dropped = droppedFor(regrown) as number;
    const after = error - change(regrown) + change(dropped);
    if (Math.abs(after) >= Math.abs(error) || (sameSign && after * error < 0)) break;
    mask[regrown] = true;
    mask[dropped] = false;
  }
  return mask;
}
