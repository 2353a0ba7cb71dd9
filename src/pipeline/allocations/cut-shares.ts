/**
 * Sparsities that follow from one cut over the scores of many linears.
 * @module
 */
import type { WorkerPool } from '../../runtime/worker-pool.js';
import { type CutMember, commonCut } from '../../sparsity/find-cuts.js';
import { zeroCount } from '../../sparsity/pattern.js';
import { HISTOGRAM_BINS } from '../../sparsity/score-mask-task.js';
import type { Shares } from './allocation.js';
import { byBlock } from './dense-linears.js';
import { sparsityRange } from './share-out.js';

/** A linear with its scores. */
export interface CutLinear {
  readonly block: number;
  /** Weights. */
  readonly size: number;
  readonly parts: CutMember['parts'];
}

/** `model`: one cut over all; `block`: one over the linears of each block. */
export type CutScope = 'model' | 'block';

/** Bytes of the counts of so many linears, of high and low bits, at most. */
export function cutBytes(linears: number): number {
  return linears * 2 * HISTOGRAM_BINS * 4;
}

/**
 * The share of every linear's scores below a cut under which lie ⌊weights · goal⌋ of all of them, or of all of its block. Of equal
 * scores those of the first linears go. Exact within a weight where no bound is met.
 *
 * @param bound how far a sparsity may lie from the goal; undefined for any
 */
export async function cutShares(
  pool: WorkerPool,
  linears: readonly CutLinear[],
  goal: number,
  scope: CutScope,
  bound?: number,
): Promise<Shares> {
  if (goal === 0) return { sparsities: linears.map(() => 0), isExact: true };
  const sparsities: number[] = [];
  for (const together of scope === 'model' ? [linears] : byBlock(linears).values()) {
    const sum = (list: readonly number[]) => list.reduce((total, value) => total + value, 0);
    const { least, most } = bound === undefined ? { least: 0, most: 1 } : sparsityRange(goal, bound);
    const members = together.map(({ parts, size }) => ({
      parts,
      least: zeroCount(size, least),
      most: zeroCount(size, most),
    }));
    const wanted = zeroCount(sum(together.map(({ size }) => size)), goal);
    const possible = Math.min(wanted, sum(members.map((member) => member.most)));
    const cut = await commonCut(pool, members, possible);
    sparsities.push(...cut.members.map(({ zeros }, i) => zeros / (together[i] as CutLinear).size));
  }
  return { sparsities, isExact: true };
}
