/**
 * Shares the overall sparsity among the linears, after a look at the dense model.
 * @module
 */
import type { CalibrationSet } from '../../calibration/load-calibration.js';
import { hiddenFile } from '../../forward/hidden-file.js';
import { HiddenStates, type StateRecords } from '../../forward/hidden-states.js';
import type { ModelStream } from '../../forward/model-stream.js';
import type { BlockPasses } from '../../graph/block-passes.js';
import { nameSome } from '../../name-some.js';
import { formatPlural } from '../../report/format.js';
import type { TensorRef } from '../../runtime/tensor-ref.js';
import type { WorkerPool } from '../../runtime/worker-pool.js';
import { type Pattern, patternName, patternSparsity, zeroCount } from '../../sparsity/pattern.js';
import { StatisticsCollector } from '../../statistics/collect-statistics.js';
import { columnNorms } from '../../statistics/group-statistics.js';
import { allocatedPatterns, type SharingLinear } from '../allocations/share-out.js';
import { isStarved } from '../blocks/starved-experts.js';
import { unitLayers } from '../blocks/unit-layers.js';
import { layerWeightName } from '../prepare/layer-plan.js';
import { measuredPasses } from '../prepare/measured-passes.js';
import type { PreparedRun } from '../prepare/prepare-run.js';
import { measuringPlan, measuringPlans, measuringRecordBytes } from '../prepare/prune-plans.js';
import type { StageClock } from '../progress/stage-clock.js';
import { type Unmeasured, unmeasuredLinears, unmeasuredNotes } from './unmeasured-linears.js';

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

/** What the dense model's linears read over the allocation's windows. */
export interface DenseNorms {
  /** Column norms, by full names. They are few beside the weights: some numbers for every row of a matrix. */
  readonly columns: ReadonlyMap<string, Float32Array>;
  /** Tokens that go to experts, by their prefix, where they are too few. */
  readonly starved: ReadonlyMap<string, number>;
}

/** Runs the first windows through the dense model. */
export async function measureDense(options: MeasureOptions): Promise<DenseNorms> {
  const { run, pool, stream, calibration, clock } = options;
  const { model, allocation, locate } = run;
  const { windows } = allocation;
  const states = new HiddenStates(
    hiddenFile(options.folder, 'allocation'),
    windows,
    calibration.sequenceLength,
    model.hiddenSize,
    measuringRecordBytes(run),
  );
  const collector = new StatisticsCollector(pool, stream.graphs, run.memory.activations);
  const plans = measuringPlans(run);
  const columns = new Map<string, Float32Array>();
  const starved = new Map<string, number>();
  /** Takes windows through the passes that measure. */
  const measure = async (index: number, passes: BlockPasses, weights: Weights, own: StateRecords) => {
    const work = { block: passes.block, passes, weights, states: own, gramWindows: 0, moments: false };
    for await (const { statistics } of measuredPasses({ clock, collector }, index, work)) {
      for (const { linear, name } of unitLayers(run, passes.block)) {
        const group = statistics.get(linear.inputGroup);
        if (group) columns.set(name, columnNorms(group));
      }
    }
  };
  try {
    const tokens = calibration.tokens.subarray(0, windows * calibration.sequenceLength);
    await clock.time('read', () => stream.embed(states, tokens, locate));
    for (const [index, block] of model.blocks.entries()) {
      const started = performance.now();
      const passes = plans[index];
      if (!passes) throw new Error(`${block.prefix} has no passes`);
      const isLast = index === model.blocks.length - 1;
      const weights = await clock.time('read', () => stream.loadBlock(block, locate));
      await measure(index, passes, weights, states);
      if (!isLast || block.experts) {
        const onWindow = (done: number) => clock.step('propagate', index, done, windows);
        await clock.time('propagate', () => stream.propagate(block, weights, states, { passes, onWindow }));
      }
      if (block.experts) {
        await stream.runExperts(passes, states, locate, {
          isLast,
          plan: (unit, count) => measuringPlan(run, unit, count),
          visit: async ({ unit, passes: own, weights: ofExpert, states: gathered, tokens: count }) => {
            if (isStarved(run, count)) starved.set(unit.prefix, count);
            await measure(index, own, ofExpert, gathered);
          },
        });
      }
      clock.block(index, (performance.now() - started) / 1000);
    }
  } finally {
    states.dispose();
    collector.dispose();
  }
  return { columns, starved };
}

type Weights = Readonly<Record<string, TensorRef>>;

/** The share of a linear's weights above which a report names it. */
const NEARLY_ALL = 0.95;

/** What an allocation comes to. */
export interface Allocated {
  /** Of the linears that share the sparsity, in order. */
  readonly patterns: Pattern[];
  /** What the report is to say. */
  readonly notes: string[];
}

/**
 * Shares the sparsity among the linears that are measured well enough. The others get the goal itself.
 *
 * @param norms where the allocation asks for windows
 */
export async function shareSparsity(
  { run, pool, clock }: AllocateOptions,
  norms: DenseNorms | undefined,
): Promise<Allocated> {
  const { config, allocation } = run;
  const sharing = run.layers.filter(({ shares }) => shares);
  const linears = sharing.map((layer) => ({
    name: layer.name,
    block: layer.block,
    size: layer.linear.out * layer.linear.in,
    columns: layer.linear.in,
    weights: run.locate(layerWeightName(layer)),
    columnNorms: norms?.columns.get(layer.name),
  }));
  const [goal] = sharing.map(({ pattern }) => pattern);
  if (goal === undefined || goal === 'dense') return { patterns: [], notes: [] };
  const { sparsity, pattern } = config.prune;
  const isOpen = sparsity === undefined && pattern === undefined;
  const unmeasured = norms ? unmeasuredLinears(sharing, norms) : new Map<string, Unmeasured>();
  const measured = linears.filter(({ name }) => !unmeasured.has(name));
  const { sparsities, isExact } =
    measured.length === 0
      ? { sparsities: [], isExact: false }
      : await clock.time('statistics', () =>
          allocation.share(pool, {
            linears: measured,
            goal: isOpen ? undefined : patternSparsity(goal),
            onStep: (done, total) => clock.step('statistics', 0, done, total),
          }),
        );
  const shareOf = new Map(measured.map(({ name }, i) => [name, sparsities[i]]));
  const wishes = linears.map(({ name }) => shareOf.get(name));
  const patterns = allocatedPatterns(goal, linears, { sparsities: wishes, isExact }, run.method.comparesRows);
  const notes = [
    ...unmeasuredNotes(run, unmeasured),
    ...(isOpen ? [] : unchangedNotes(run, goal, linears, patterns)),
    ...emptiedNotes(run, goal, linears, patterns),
  ];
  return { patterns, notes };
}

/** Where all linears lose what they would without the allocation. */
function unchangedNotes(
  { allocation, method: { comparesRows } }: PreparedRun,
  goal: Pattern,
  linears: readonly SharingLinear[],
  patterns: readonly Pattern[],
): string[] {
  const zerosOf = (own: Pattern, { size, columns }: SharingLinear) =>
    zeroCount(comparesRows ? columns : size, patternSparsity(own));
  if (linears.some((linear, i) => zerosOf(patterns[i] ?? goal, linear) !== zerosOf(goal, linear))) return [];
  const asked = goal.kind === 'n:m' ? patternName(goal) : goal.sparsity;
  return [`${allocation.name} changes nothing at ${asked}: the shares of all linears come to the same`];
}

/** Where little is left of a linear, and more of all together. */
function emptiedNotes(
  { allocation }: PreparedRun,
  goal: Pattern,
  linears: readonly { readonly name: string }[],
  patterns: readonly Pattern[],
): string[] {
  const emptied = linears.filter((_, i) => patternSparsity(patterns[i] ?? goal) > NEARLY_ALL);
  if (emptied.length === 0 || patternSparsity(goal) > NEARLY_ALL) return [];
  return [
    `${allocation.name} takes more than ${100 * NEARLY_ALL} % of ${formatPlural(emptied.length, 'linear')}, of which ` +
      `little is left then: ${nameSome(emptied.map(({ name }) => name))}`,
  ];
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
