/** Masks against scores that are known to some digits. @module */
import { expect } from 'vitest';

/** Relative, of scores that were computed in another way. */
const ROUNDING = 1e-4;

/**
 * Of every `group` consecutive weights those `zeros` are gone whose scores are the smallest, where rounding may choose between
 * scores that are next to equal; the others are as they were.
 */
export function expectSmallestGone(
  after: Float32Array,
  before: Float32Array,
  scores: ArrayLike<number>,
  { group, zeros }: { readonly group: number; readonly zeros: number },
): void {
  expect(after.length).toBe(before.length);
  const wrong: number[] = [];
  for (let start = 0; start < after.length; start += group) {
    const own = Float64Array.from({ length: group }, (_, i) => scores[start + i] as number);
    const sorted = own.toSorted();
    const [last, next] = [sorted[zeros - 1] ?? 0, sorted[zeros] ?? Number.POSITIVE_INFINITY];
    let gone = 0;
    for (const [i, score] of own.entries()) {
      const index = start + i;
      if (after[index] === 0) gone++;
      const isRight = after[index] === 0 ? score <= last * (1 + ROUNDING) : score >= next * (1 - ROUNDING);
      if (!isRight || (after[index] !== 0 && after[index] !== before[index])) wrong.push(index);
    }
    expect(gone).toBe(zeros);
  }
  expect(wrong).toEqual([]);
}
