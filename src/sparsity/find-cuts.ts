/**
 * Where scores are cut so that exactly so many lie below: over one matrix, or over several together, each of which then
 * loses as many as it has below the common cut.
 *
 * Exact selection over any number of scores in two readings: they are counted by the high half of their bits, and within the
 * bin that the cut lies in by the low half.
 * @module
 */
import type { WorkerPool } from '../runtime/worker-pool.js';
import { HISTOGRAM_BINS, type Histogram, type ScoredRows, scoreHistogram } from './score-mask-task.js';

/** Scores that are counted together. */
export interface CutMember extends CutBounds {
  readonly parts: readonly ScoredRows[];
}

export interface CutBounds {
  /** The fewest and the most of them that may go, wherever the cut is; 0 and all when left out. */
  readonly least?: number;
  readonly most?: number;
}

/** Where a part's scores are cut: what lies below goes, and the first `ties` on it. */
export interface Cut {
  /** Bits of a score. */
  readonly threshold: number;
  readonly ties: number;
}

/** The cut below which exactly `zeros` scores of all parts together lie, ties by index. */
export async function findCuts(
  pool: WorkerPool,
  parts: readonly ScoredRows[],
  zeros: number,
): Promise<Cut[]> {
  if (zeros === 0) return parts.map(() => ({ threshold: 0, ties: 0 }));
  const members = parts.map((part) => ({ parts: [part] }));
  return await cutsOf((high, concerned) => histograms(pool, members, high, concerned), zeros);
}

/** Counts the scores of each member by the high halves of their bits, or by the low halves of those with the given high half. */
type CountScores = (
  high?: number,
  /** Whose counts are asked for; all when left out. */
  concerned?: (member: number) => boolean,
) => Promise<readonly Histogram[]>;

/** `findCuts` for parts that anything counts. @param zeros at least 1 */
export async function cutsOf(count: CountScores, zeros: number): Promise<Cut[]> {
  const { threshold, members } = await cutOf(count, [], zeros);
  return members.map((member) => ({ threshold, ties: member.zeros - member.below }));
}

/** What a common cut takes from a member. */
export interface MemberCut {
  /** Scores below the threshold. */
  readonly below: number;
  /** Scores that go: between `least` and `most`. */
  readonly zeros: number;
}

/**
 * One cut for all members, such that exactly `zeros` scores go. A member loses what it has below, within its bounds. Of
 * equal scores those of the first members go.
 *
 * @param zeros no fewer than all `least` together, and no more than all `most`
 */
export async function commonCut(
  pool: WorkerPool,
  members: readonly CutMember[],
  zeros: number,
): Promise<CommonCut> {
  return await cutOf((high, concerned) => histograms(pool, members, high, concerned), members, zeros);
}

interface CommonCut {
  readonly threshold: number;
  readonly members: readonly MemberCut[];
}

/** @param bounds of each member; none for those that are left out */
async function cutOf(count: CountScores, bounds: readonly CutBounds[], zeros: number): Promise<CommonCut> {
  const within = (index: number, below: number) => {
    const { least = 0, most = Number.POSITIVE_INFINITY } = bounds[index] ?? {};
    return Math.min(most, Math.max(least, below));
  };
  const highs = await count();
  const nothing = highs.map(() => 0);
  const high = findBin(highs, nothing, within, zeros);
  const lows = await lowHistograms(count, highs, high.bin);
  const low = lows ? findBin(lows, high.below, within, zeros) : { bin: 0, below: high.below };
  const onCut = lows ? countsIn(lows, low.bin) : countsIn(highs, high.bin);
  const fewest = low.below.map((below, index) => within(index, below));
  let left = zeros - fewest.reduce((sum, each) => sum + each, 0);
  return {
    threshold: high.bin * HISTOGRAM_BINS + low.bin,
    members: low.below.map((below, index) => {
      const taken = Math.min(left, within(index, below + (onCut[index] ?? 0)) - (fewest[index] ?? 0));
      left -= taken;
      return { below, zeros: (fewest[index] ?? 0) + taken };
    }),
  };
}

/** How many scores of each member lie below a threshold. @param threshold bits of a score */
export async function countsBelow(
  pool: WorkerPool,
  members: readonly CutMember[],
  threshold: number,
): Promise<number[]> {
  const [high, low] = [threshold >>> 16, threshold & (HISTOGRAM_BINS - 1)];
  const highs = await histograms(pool, members);
  const count: CountScores = (bits, concerned) => histograms(pool, members, bits, concerned);
  const lows = low > 0 ? await lowHistograms(count, highs, high) : undefined;
  const onHigh = countsIn(highs, high);
  return highs.map((histogram, index) => {
    // Without low bits all in the bin have the same score, the least that it is for.
    const inBin = lows?.[index] ? countBetween(lows[index], 0, low) : low > 0 ? (onHigh[index] ?? 0) : 0;
    return countBetween(histogram, 0, high) + inBin;
  });
}

/** Of each member's scores, or of those with the given high bits. */
async function histograms(
  pool: WorkerPool,
  members: readonly CutMember[],
  high?: number,
  concerned: (member: number) => boolean = () => true,
): Promise<Histogram[]> {
  const sums: (Histogram | undefined)[] = members.map(() => undefined);
  const tasks = members.flatMap(({ parts }, index) =>
    concerned(index) ? parts.map((part) => ({ index, part })) : [],
  );
  await pool.forEach(tasks, async ({ index, part }) => {
    const args = high === undefined ? part : { ...part, high };
    const counted = await pool.run('sparsity/score-mask-task', scoreHistogram, args);
    sums[index] = together(sums[index], counted);
  });
  return sums.map((sum) => sum ?? { first: 0, counts: new Uint32Array(), usesLowBits: false });
}

/** Undefined where no score has any low bits. */
async function lowHistograms(
  count: CountScores,
  highs: readonly Histogram[],
  high: number,
): Promise<readonly Histogram[] | undefined> {
  if (!highs.some(({ usesLowBits }) => usesLowBits)) return undefined;
  const counts = countsIn(highs, high);
  return await count(high, (member) => counts[member] !== 0);
}

function together(a: Histogram | undefined, b: Histogram): Histogram {
  if (!a || a.counts.length === 0) return b;
  if (b.counts.length === 0) return a;
  const first = Math.min(a.first, b.first);
  const end = Math.max(a.first + a.counts.length, b.first + b.counts.length);
  const counts = new Uint32Array(end - first);
  counts.set(a.counts, a.first - first);
  for (let i = 0, at = b.first - first; i < b.counts.length; i++, at++) {
    counts[at] = (counts[at] as number) + (b.counts[i] as number);
  }
  return { first, counts, usesLowBits: a.usesLowBits || b.usesLowBits };
}

function countsIn(list: readonly Histogram[], bin: number): number[] {
  return list.map(({ first, counts }) => counts[bin - first] ?? 0);
}

/** Scores in the bins from `start` up to but not including `end`. */
function countBetween({ first, counts }: Histogram, start: number, end: number): number {
  const last = Math.min(counts.length, end - first);
  let sum = 0;
  for (let i = Math.max(0, start - first); i < last; i++) sum += counts[i] as number;
  return sum;
}

/**
 * The first bin up to whose end at least `count` scores would go, and each member's scores below that bin. The more bins, the
 * more scores go, so half of the bins that are left are added up at a time, and each bin of a member once in all.
 *
 * @param start scores of each member below all bins
 * @param within how many of so many scores of a member go; no fewer of more
 */
function findBin(
  list: readonly Histogram[],
  start: readonly number[],
  within: (index: number, count: number) => number,
  count: number,
): { bin: number; below: number[] } {
  const occupied = list.filter(({ counts }) => counts.length > 0);
  let below = [...start];
  let bin = Math.min(...occupied.map(({ first }) => first));
  let end = Math.max(...occupied.map(({ first, counts }) => first + counts.length));
  const upTo = (place: number) =>
    list.map((histogram, index) => (below[index] ?? 0) + countBetween(histogram, bin, place));
  const isEnough = (reached: readonly number[]) =>
    reached.reduce((sum, each, index) => sum + within(index, each), 0) >= count;
  while (end - bin > 1) {
    const middle = Math.floor((bin + end) / 2);
    const reached = upTo(middle);
    if (isEnough(reached)) end = middle;
    else [bin, below] = [middle, reached];
  }
  if (!isEnough(upTo(end))) throw new Error(`too few scores for ${count} zeros`);
  return { bin, below };
}
