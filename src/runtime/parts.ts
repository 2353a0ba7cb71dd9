/**
 * Cutting work for several workers into parts.
 * @module
 */

/** Consecutive items of a list. */
export interface Part {
  readonly first: number;
  readonly count: number;
}

/** Parts of `most` items, the last one of what is left. They depend on nothing else, and so neither do sums over them. */
export function partsOf(items: number, most: number): Part[] {
  return Array.from({ length: Math.ceil(items / most) }, (_, part) => {
    const first = part * most;
    return { first, count: Math.min(most, items - first) };
  });
}
