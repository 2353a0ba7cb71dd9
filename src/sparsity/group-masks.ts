/**
 * The masks of a group of M inputs of which N stay.
 * @module
 */

/** All ways to remove `removed` of `of` inputs, each as ascending indices, in lexicographic order. */
export function groupMasks(of: number, removed: number): number[][] {
  if (removed === 0) return [[]];
  return Array.from({ length: of - removed + 1 }, (_, first) =>
    groupMasks(of - first - 1, removed - 1).map((rest) => [first, ...rest.map((index) => first + 1 + index)]),
  ).flat();
}

/** How many they are: the binomial coefficient. */
export function groupMaskCount(of: number, removed: number): number {
  let count = 1;
  for (let i = 1; i <= removed; i++) count = (count * (of - removed + i)) / i;
  return Math.round(count);
}
