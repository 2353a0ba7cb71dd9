/**
 * Shares the strips of Gram matrices out among tasks.
 * @module
 */
import { gramStrips, type Strip } from './gram-layout.js';

/**
 * Multiplications of a task, at most about: some hundred milliseconds, which a run that is to stop waits for. Strips of
 * one task find what they read in the processor's caches.
 */
const TASK_MULTIPLICATIONS = 2 ** 34;

/** Strips of one Gram matrix. */
export interface StripsOf<Group> {
  readonly group: Group;
  readonly strips: readonly Strip[];
}

/**
 * Shares of about equal work, as many for each worker and as few as the work allows: a task costs a fraction of a
 * millisecond beside what it computes. A strip is in one share, so what it adds up to doesn't depend on the sharing.
 *
 * @param tokens that are added at a time
 */
export function shareStrips<Group extends { readonly size: number }>(
  groups: readonly Group[],
  tokens: number,
  workers: number,
): StripsOf<Group>[][] {
  const strips = groups
    .flatMap((group) =>
      gramStrips(group.size).map((strip) => ({ group, strip, work: strip.rows * strip.width })),
    )
    .sort((a, b) => b.work - a.work);
  const total = strips.reduce((sum, { work }) => sum + work, 0) * tokens;
  const count = Math.min(strips.length, workers * Math.ceil(total / (workers * TASK_MULTIPLICATIONS)));
  const shares = Array.from({ length: count }, () => ({ work: 0, strips: new Map<Group, Strip[]>() }));
  for (const { group, strip, work } of strips) {
    // The largest that is left goes to the share with the least so far.
    const share = shares.reduce((least, other) => (other.work < least.work ? other : least));
    share.work += work;
    share.strips.set(group, [...(share.strips.get(group) ?? []), strip]);
  }
  return shares.map((share) => [...share.strips].map(([group, own]) => ({ group, strips: own })));
}
