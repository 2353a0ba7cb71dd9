/**
 * From what an allocation would like to what adds up.
 * @module
 */
import type { Pattern } from '../../sparsity/pattern.js';
import type { Shares } from './allocation.js';

/** The most that a linear may lose, unless all lose more: something of it has to stay. */
export const MOST_SHARE = 0.99;

/** The sparsities within a bound of the goal that a linear may have. */
export function sparsityRange(goal: number, bound: number): { least: number; most: number } {
  return {
    least: Math.max(0, goal - bound),
    most: Math.max(goal, Math.min(MOST_SHARE, goal + bound)),
  };
}

/** A linear among those that share the sparsity. */
export interface SharingLinear {
  /** Weights, `columns` in each row. */
  readonly size: number;
  readonly columns: number;
}

/** Of each linear, undefined where it takes no part and gets the goal itself. */
type Wishes = readonly (number | undefined)[];

/**
 * The pattern of each linear such that all together lose what the goal says of all of their weights.
 *
 * @param inRows whether a sparsity is that of every row: then it is a whole number of a row's weights
 */
export function allocatedPatterns(
  goal: Pattern,
  linears: readonly SharingLinear[],
  { sparsities, isExact }: Omit<Shares, 'sparsities'> & { readonly sparsities: Wishes },
  inRows = false,
): Pattern[] {
  const sizes = linears.map(({ size }) => size);
  const all = sizes.reduce((sum, size) => sum + size, 0);
  if (goal.kind === 'unstructured') {
    const { sparsity } = goal;
    const shares = isExact
      ? sparsities.map((share) => share ?? sparsity)
      : shifted(sparsity, sizes, sparsities, sparsityRange(sparsity, 1));
    const whole = inRows ? wholeOfRows(shares, linears, all * sparsity) : shares;
    return whole.map((own) => ({ kind: 'unstructured', sparsity: own }));
  }
  const { keep, of } = goal;
  const shares = shifted((of - keep) / of, sizes, sparsities, { least: 1 / of, most: (of - 1) / of });
  const kept = rounded(
    shares.map((sparsity) => (1 - sparsity) * of),
    sizes,
    all * keep,
    sizes.map(() => of - 1),
  );
  return kept.map((own) => ({ kind: 'n:m', keep: own, of }));
}

/** @param zeros of all linears together */
function wholeOfRows(shares: readonly number[], linears: readonly SharingLinear[], zeros: number): number[] {
  const ofRow = rounded(
    shares.map((sparsity, i) => sparsity * (linears[i] as SharingLinear).columns),
    linears.map(({ size, columns }) => size / columns),
    zeros,
    linears.map(({ columns }) => columns - 1),
  );
  return ofRow.map((count, i) => count / (linears[i] as SharingLinear).columns);
}

/**
 * Wishes moved by one and the same amount and kept within a range, so that their mean over weights is the goal, which lies
 * in the range; the goal where there is no wish.
 */
export function shifted(
  goal: number,
  sizes: readonly number[],
  wishes: Wishes,
  { least, most }: { readonly least: number; readonly most: number },
): number[] {
  const within = (value: number) => Math.min(most, Math.max(least, value));
  const taking = wishes.flatMap((wish, i) =>
    wish === undefined ? [] : [{ wish, size: sizes[i] as number }],
  );
  if (taking.length === 0) return wishes.map(() => goal);
  const total = taking.reduce((sum, { size }) => sum + size, 0);
  const mean = (shift: number) =>
    taking.reduce((sum, { wish, size }) => sum + within(wish + shift) * size, 0) / total;
  const wished = taking.map(({ wish }) => wish);
  let [low, high] = [least - Math.max(...wished), most - Math.min(...wished)];
  for (let i = 0; i < 200 && low < high; i++) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    if (mean(middle) < goal) low = middle;
    else high = middle;
  }
  return wishes.map((wish) => (wish === undefined ? goal : within(wish + high)));
}

/**
 * Whether sparsities that lie so far apart at most may be rounded to different N of N:M. Their mean is that of the goal's N. Where
 * the weights that they keep of a group lie less than one apart, those below N have greater remainders than those above, and
 * there is room to round just these up.
 */
export function mayDiffer(spread: number, of: number): boolean {
  // So near to one, what is taken for a whole number may be rounded another way.
  return spread * of > 1 - 1e-6;
}

/**
 * Whole numbers near the wishes, whose weighted sum is as near to the wishes' as sizes allow, and not above it: rounded down,
 * then one more for the greatest remainders that there is room for.
 *
 * @param sizes what each counts
 * @param sum Σ size · wish
 * @param most that each may come to
 */
function rounded(
  wishes: readonly number[],
  sizes: readonly number[],
  sum: number,
  most: readonly number[],
): number[] {
  const near = wishes.map((wish) => (Math.abs(wish - Math.round(wish)) < 1e-9 ? Math.round(wish) : wish));
  const whole = near.map(Math.floor);
  let room = sizes.reduce((left, size, i) => left - size * (whole[i] as number), sum);
  const remainder = (i: number) => (near[i] as number) - (whole[i] as number);
  const order = [...near.keys()].sort((a, b) => remainder(b) - remainder(a) || a - b);
  for (const i of order) {
    const size = sizes[i] as number;
    if (size > room || remainder(i) === 0 || whole[i] === most[i]) continue;
    whole[i] = (whole[i] as number) + 1;
    room -= size;
  }
  return whole;
}
