/**
 * What the linears of a block read, pass by pass.
 * @module
 */
import { type BlockPass, pruningPasses } from '../../graph/block-passes.js';
import type { CollectOptions, StatisticsCollector } from '../../statistics/collect-statistics.js';
import type { GroupStatistics } from '../../statistics/group-statistics.js';
import type { StageClock } from '../progress/stage-clock.js';

export interface MeasuredPass {
  readonly pass: BlockPass;
  /** By input group. */
  readonly statistics: ReadonlyMap<string, GroupStatistics>;
}

/** Takes windows through the passes of a block that measure; a pass begins when what came of the one before was taken. */
export async function* measuredPasses(
  {
    clock,
    collector,
  }: { readonly clock: Pick<StageClock, 'step' | 'add'>; readonly collector: StatisticsCollector },
  index: number,
  work: Omit<CollectOptions, 'pass' | 'onWindow' | 'onSeconds'>,
): AsyncGenerator<MeasuredPass> {
  const { windows } = work.states;
  const inTurn = pruningPasses(work.passes);
  for (const pass of inTurn) {
    const statistics = await collector.collect({
      ...work,
      pass,
      onWindow: (done) => clock.step('forward', index, pass.index * windows + done, inTurn.length * windows),
      onSeconds: (phase, seconds) => clock.add(phase, seconds),
    });
    yield { pass, statistics };
  }
}
