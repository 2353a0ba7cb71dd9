/**
 * From what an allocation would like to what adds up.
 * @module
 */
import type { Pattern } from '../../sparsity/pattern.js';
import type { Shares } from './allocation.js';

/** The least and the most that a linear may lose: something of it has to stay. */
const RANGE = { least: 0, most: 0.99 };

/** The sparsities within a bound of the goal that a linear may have. */
export function sparsityRange(goal: number, bound: number): { least: number; most: number } {
  return {
    least: Math.max(RANGE.least, goal - bound),
    most: Math.max(goal, Math.min(RANGE.most, goal + bound)),
  };
}

/** The pattern of each linear such that all together lose what they would if each had the goal. */
export function allocatedPatterns(
  goal: Pattern,
  linears: readonly { readonly size: number }[],
  { sparsities, isExact }: Shares,
): Pattern[] {
  const sizes = linears.map(({ size }) => size);
  if (goal.kind === 'unstructured') {
    const shares = isExact ? sparsities : shifted(goal.sparsity, sizes, sparsities);
    return shares.map((sparsity) => ({ kind: 'unstructured', sparsity }));
  }
  const { keep, of } = goal;
  const shares = shifted((of - keep) / of, sizes, sparsities, { least: 1 / of, most: (of - 1) / of });
  const kept = rounded(
    shares.map((sparsity) => (1 - sparsity) * of),
    sizes,
    keep,
  );
  return kept.map((own) => ({ kind: 'n:m', keep: own, of }));
}

/**
 * Wishes moved by one and the same amount and kept within a range, so that their mean over weights is the goal, which lies
 * in the range.
 */
export function shifted(
  goal: number,
  sizes: readonly number[],
  wishes: readonly number[],
  { least, most } = RANGE,
): number[] {
  const within = (value: number) => Math.min(most, Math.max(least, value));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const mean = (shift: number) =>
    wishes.reduce((sum, wish, i) => sum + within(wish + shift) * (sizes[i] as number), 0) / total;
  let [low, high] = [least - Math.max(...wishes), most - Math.min(...wishes)];
  for (let i = 0; i < 200 && low < high; i++) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    if (mean(middle) < goal) low = middle;
    else high = middle;
  }
  return wishes.map((wish) => within(wish + high));
}

/**
 * Whole numbers near the wishes, whose sum over weights is as near to `goal` for every weight as sizes allow: rounded down,
 * then one more for the greatest remainders that there is room for.
 *
 * @param wishes with that mean
 */
function rounded(wishes: readonly number[], sizes: readonly number[], goal: number): number[] {
  const near = wishes.map((wish) => (Math.abs(wish - Math.round(wish)) < 1e-9 ? Math.round(wish) : wish));
  const whole = near.map(Math.floor);
  let room = sizes.reduce((sum, size, i) => sum + size * (goal - (whole[i] as number)), 0);
  const remainder = (i: number) => (near[i] as number) - (whole[i] as number);
  const order = [...near.keys()].sort((a, b) => remainder(b) - remainder(a) || a - b);
  for (const i of order) {
    const size = sizes[i] as number;
    if (size > room || remainder(i) === 0) continue;
    whole[i] = (whole[i] as number) + 1;
    room -= size;
  }
  return whole;
}
