/**
 * Shares the overall sparsity among the linears, after a look at the dense model.
 * @module
 */
import { join } from 'node:path';
import type { CalibrationSet } from '../calibration/load-calibration.js';
import { HiddenStates } from '../forward/hidden-states.js';
import type { ModelStream } from '../forward/model-stream.js';
import { floatTensor } from '../forward/stored-tensor.js';
import { pruningPasses } from '../graph/block-passes.js';
import type { TensorRef } from '../runtime/tensor-ref.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import { patternSparsity } from '../sparsity/pattern.js';
import { StatisticsCollector } from '../statistics/collect-statistics.js';
import { columnNorms, type GroupStatistics } from '../statistics/group-statistics.js';
import type { MeasuredLinear } from './allocations/allocation.js';
import { allocatedPatterns } from './allocations/share-out.js';
import type { LayerPlan } from './layer-plan.js';
import type { PreparedRun } from './prepare-run.js';
import { measuringPlans, measuringRecordBytes } from './prune-plans.js';
import type { StageClock } from './stage-clock.js';

export interface AllocateOptions {
  readonly run: PreparedRun;
  readonly pool: WorkerPool;
  readonly stream: ModelStream;
  readonly calibration: CalibrationSet;
  /** For the hidden states. */
  readonly folder: string;
  readonly clock: StageClock;
}

/** Runs the first windows through the dense model. Gives the measure of every linear that shares the sparsity, in order. */
export async function measureDense(options: AllocateOptions): Promise<number[]> {
  const { run, pool, stream, calibration, clock } = options;
  const { model, allocation } = run;
  const { windows } = allocation;
  const states = new HiddenStates(
    join(options.folder, 'allocation.hidden'),
    windows,
    calibration.sequenceLength,
    model.hiddenSize,
    measuringRecordBytes(run),
  );
  const collector = new StatisticsCollector(pool, stream.graphs, run.memory.activations);
  const locate = (name: string) => floatTensor(run.checkpoint.tensors, name);
  const plans = measuringPlans(run);
  const measures: number[] = [];
  try {
    const tokens = calibration.tokens.subarray(0, windows * calibration.sequenceLength);
    await clock.time('read', () => stream.embed(states, tokens, locate));
    for (const [index, block] of model.blocks.entries()) {
      const started = performance.now();
      const passes = plans[index];
      if (!passes) throw new Error(`${block.prefix} has no passes`);
      const weights = await clock.time('read', () => stream.loadBlock(block, locate));
      const statistics = new Map<string, GroupStatistics>();
      const inTurn = pruningPasses(passes);
      for (const pass of inTurn) {
        const measured = await collector.collect({
          block,
          passes,
          pass,
          weights,
          states,
          gramWindows: 0,
          moments: false,
          onWindow: (done) =>
            clock.step('forward', index, pass.index * windows + done, inTurn.length * windows),
          onSeconds: (phase, seconds) => clock.add(phase, seconds),
        });
        for (const [name, group] of measured) statistics.set(name, group);
      }
      const linears = run.layers
        .filter((layer) => layer.block === index && layer.shares)
        .map((layer) => measuredLinear(layer, weights, statistics));
      measures.push(...(await clock.time('statistics', () => allocation.measure(pool, linears))));
      if (index < model.blocks.length - 1) {
        const onWindow = (done: number) => clock.step('propagate', index, done, windows);
        await clock.time('propagate', () => stream.propagate(block, weights, states, { passes, onWindow }));
      }
      clock.block(index, (performance.now() - started) / 1000);
    }
  } finally {
    states.dispose();
    collector.dispose();
  }
  return measures;
}

function measuredLinear(
  { name, linear }: LayerPlan,
  weights: Readonly<Record<string, TensorRef>>,
  statistics: ReadonlyMap<string, GroupStatistics>,
): MeasuredLinear {
  const weight = weights[`${linear.name}.weight`];
  const group = statistics.get(linear.inputGroup);
  if (!weight || !group) throw new Error(`${name} was not measured`);
  return { name, weights: weight, columnNorms: columnNorms(group) };
}

/** The run with the patterns that its allocation gives. @param measures of the linears that share the sparsity, in order */
export function allocated(run: PreparedRun, measures: readonly number[]): PreparedRun {
  const sharing = run.layers.filter(({ shares }) => shares);
  const [goal] = sharing.map(({ pattern }) => pattern);
  if (goal === undefined || goal === 'dense') return run;
  const linears = sharing.map(({ block, linear }, i) => ({
    block,
    size: linear.out * linear.in,
    measure: measures[i] as number,
  }));
  const wishes = run.allocation.share(patternSparsity(goal), linears);
  const patterns = new Map(
    allocatedPatterns(goal, linears, wishes).map((pattern, i) => [sharing[i], pattern] as const),
  );
  return {
    ...run,
    layers: run.layers.map((layer) => ({ ...layer, pattern: patterns.get(layer) ?? layer.pattern })),
  };
}
