/**
 * Shares the overall sparsity among the linears, after a look at the dense model.
 * @module
 */
import { join } from 'node:path';
import type { CalibrationSet } from '../calibration/load-calibration.js';
import { HiddenStates } from '../forward/hidden-states.js';
import type { ModelStream } from '../forward/model-stream.js';
import { pruningPasses } from '../graph/block-passes.js';
import { weightName } from '../model/description.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import { type Pattern, patternSparsity } from '../sparsity/pattern.js';
import { StatisticsCollector } from '../statistics/collect-statistics.js';
import { columnNorms } from '../statistics/group-statistics.js';
import { allocatedPatterns } from './allocations/share-out.js';
import type { PreparedRun } from './prepare-run.js';
import { measuringPlans, measuringRecordBytes } from './prune-plans.js';
import type { StageClock } from './stage-clock.js';

export interface AllocateOptions {
  readonly run: PreparedRun;
  readonly pool: WorkerPool;
  readonly clock: StageClock;
}

export interface MeasureOptions extends AllocateOptions {
  readonly stream: ModelStream;
  readonly calibration: CalibrationSet;
  /** For the hidden states. */
  readonly folder: string;
}

/**
 * Column norms of the dense model's linears, by block and input group, over the allocation's windows. They are few beside
 * the weights: some numbers for every row of a matrix.
 */
export type DenseNorms = readonly ReadonlyMap<string, Float32Array>[];

/** Runs the first windows through the dense model. */
export async function measureDense(options: MeasureOptions): Promise<DenseNorms> {
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
  const { locate } = run;
  const plans = measuringPlans(run);
  const norms: Map<string, Float32Array>[] = [];
  try {
    const tokens = calibration.tokens.subarray(0, windows * calibration.sequenceLength);
    await clock.time('read', () => stream.embed(states, tokens, locate));
    for (const [index, block] of model.blocks.entries()) {
      const started = performance.now();
      const passes = plans[index];
      if (!passes) throw new Error(`${block.prefix} has no passes`);
      const weights = await clock.time('read', () => stream.loadBlock(block, locate));
      const own = new Map<string, Float32Array>();
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
        for (const [name, group] of measured) own.set(name, columnNorms(group));
      }
      norms.push(own);
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
  return norms;
}

/**
 * The patterns of the linears that share the sparsity, in order.
 *
 * @param norms where the allocation asks for windows
 */
export async function shareSparsity(
  { run, pool, clock }: AllocateOptions,
  norms: DenseNorms | undefined,
): Promise<Pattern[]> {
  const { model, config, allocation } = run;
  const sharing = run.layers.filter(({ shares }) => shares);
  const linears = sharing.map(({ name, block: index, linear }) => {
    const block = model.blocks[index];
    if (!block) throw new Error(`${name} is in no block`);
    return {
      name,
      block: index,
      size: linear.out * linear.in,
      weights: run.locate(weightName(block, linear)),
      columnNorms: norms?.[index]?.get(linear.inputGroup),
    };
  });
  const [goal] = sharing.map(({ pattern }) => pattern);
  if (goal === undefined || goal === 'dense') return [];
  const { sparsity, pattern } = config.prune;
  const isOpen = sparsity === undefined && pattern === undefined;
  const shares = await clock.time('statistics', () =>
    allocation.share(pool, {
      linears,
      goal: isOpen ? undefined : patternSparsity(goal),
      onStep: (done, total) => clock.step('statistics', 0, done, total),
    }),
  );
  return allocatedPatterns(goal, linears, shares);
}

/** The run with what its allocation gives. @param patterns of the linears that share the sparsity, in order */
export function allocated(run: PreparedRun, patterns: readonly Pattern[]): PreparedRun {
  const sharing = run.layers.filter(({ shares }) => shares);
  const given = new Map(sharing.map((layer, i) => [layer, patterns[i]] as const));
  return {
    ...run,
    layers: run.layers.map((layer) => ({ ...layer, pattern: given.get(layer) ?? layer.pattern })),
  };
}
