/**
 * What each worker needs to take windows through blocks.
 * @module
 */
import {
  type BlockPasses,
  type CarriedValue,
  measuringKey,
  passRanges,
  planKey,
  planWholeBlock,
} from '../../graph/block-passes.js';
import { peakIntermediateBytes } from '../../graph/intermediate-bytes.js';
import { targetedAfter, targetRanges } from '../../graph/target-ranges.js';
import { elementCount } from '../../graph/value.js';
import type { PreparedRun } from '../prepare/prepare-run.js';

export interface WindowNeeds {
  /** Intermediate values of each session. */
  readonly sessions: readonly number[];
  /** What a window is read into and written from. */
  readonly buffers: number;
}

/** What is measured of the windows. */
export interface Measuring {
  readonly windows: number;
  /** Of these, how many go into Gram matrices. */
  readonly gramWindows: number;
  readonly moments: boolean;
  /** Whether what the residual stream lacks is. */
  readonly targets: boolean;
}

/** For the passes of all blocks. */
export function windowNeeds(
  plans: readonly BlockPasses[],
  { windows, gramWindows, moments, targets }: Measuring,
): WindowNeeds {
  const sessions = new Map<string, number>();
  const reads: number[] = [];
  const writes: number[] = [];
  for (const passes of distinct(plans)) {
    for (const pass of passes.passes) {
      for (const range of passRanges(passes, pass)) {
        const measures = pass.groups.length > 0;
        const outputs = [
          ...(measures && gramWindows > 0 ? (['transposed activations'] as const) : []),
          ...(measures && gramWindows === windows ? [] : (['sum of squares'] as const)),
        ];
        for (const output of outputs) {
          const key = measuringKey(range, output, moments);
          if (!sessions.has(key)) sessions.set(key, peakIntermediateBytes(range.graph(output, moments)));
        }
        grow(reads, range.reads);
        grow(writes, range.writes);
      }
      if (!targets || targetedAfter(passes, pass).length === 0) continue;
      for (const range of targetRanges(passes, pass)) {
        if (!sessions.has(range.graphKey)) {
          sessions.set(range.graphKey, peakIntermediateBytes(range.graph()));
        }
        grow(reads, [...range.reads.pruned, ...range.reads.dense]);
      }
    }
  }
  const sum = (list: readonly number[]) => list.reduce((total, bytes) => total + bytes, 0);
  return { sessions: [...sessions.values()], buffers: sum(reads) + sum(writes) };
}

/** For blocks that are computed whole. */
export function wholeWindowNeeds(run: PreparedRun, tokens: number): WindowNeeds {
  const plans = run.model.blocks.map((block) => planWholeBlock(block, tokens));
  return windowNeeds(plans, { windows: 0, gramWindows: 0, moments: false, targets: false });
}

/** Makes the buffer of each place as large as what is to be in it. */
function grow(buffers: number[], values: readonly CarriedValue[]): void {
  for (const [index, { shape }] of values.entries()) {
    buffers[index] = Math.max(buffers[index] ?? 0, elementCount(shape) * 4);
  }
}

/** Plans that differ in their graphs. */
export function distinct(plans: readonly BlockPasses[]): BlockPasses[] {
  return [...new Map(plans.map((passes) => [planKey(passes), passes])).values()];
}
