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

/** As few parts of at most `most` items as there can be, of near-equal size, whatever the number of workers. */
export function equalParts(items: number, most: number): Part[] {
  const parts = Math.ceil(items / most);
  return Array.from({ length: parts }, (_, index) => {
    const first = Math.floor((items * index) / parts);
    return { first, count: Math.floor((items * (index + 1)) / parts) - first };
  });
}

/** Whole rows of so many columns that `elements` hold; at least one. */
export function rowsWithin(elements: number, columns: number): number {
  return Math.max(1, Math.floor(elements / columns));
}
