/**
 * One transformer block of a run: measured pass by pass, and pruned and written as its inputs are known.
 * @module
 */
import { loadTensor } from '../../forward/f32-tensors.js';
import type { HiddenStates, StateRecords } from '../../forward/hidden-states.js';
import type { BlockPasses } from '../../graph/block-passes.js';
import { type BlockDescription, inputGroups } from '../../model/description.js';
import type { LayerReport } from '../../report/report-schema.js';
import { copyFloats, type TensorRef } from '../../runtime/tensor-ref.js';
import { settle } from '../../runtime/worker-pool.js';
import { fitTargets } from '../../solvers/fit-targets.js';
import type { StatisticsCollector } from '../../statistics/collect-statistics.js';
import type { GroupStatistics } from '../../statistics/group-statistics.js';
import { outputError } from '../../statistics/output-error.js';
import type { Ablation, MethodOutcome } from '../methods/method.js';
import { type LayerPlan, layerWeightName } from '../prepare/layer-plan.js';
import { measuredPasses } from '../prepare/measured-passes.js';
import type { DenseTargets } from './dense-targets.js';
import { keptReports } from './kept-reports.js';
import { layerReport } from './layer-report.js';
import type { LossMeter } from './measure-loss.js';
import type { CalibratedLoopOptions } from './prune-blocks.js';
import type { RegionalBlocks } from './regional-blocks.js';
import { copyUnpruned, storeTensor } from './store-block.js';

/** What every block is pruned with. */
export interface BlockTools extends CalibratedLoopOptions {
  readonly collector: StatisticsCollector;
  /** Where linears make up for what the residual stream has lost. */
  readonly dense: DenseTargets | undefined;
  /** Where the method asks for the block's own gradients, or for its optimisation. */
  readonly regional: RegionalBlocks | undefined;
  /** Where the method asks for losses. */
  readonly lossMeter: LossMeter | undefined;
}

/** A block in memory, or one of its experts. */
export interface BlockAtWork {
  readonly index: number;
  readonly block: BlockDescription;
  /** Its linears. */
  readonly layers: readonly LayerPlan[];
  /** By their names within the block, as in the source; pruned in place. */
  readonly weights: Readonly<Record<string, TensorRef>>;
  readonly passes: BlockPasses;
  /** Of the windows, how many go into Gram matrices. */
  readonly gramWindows: number;
  /** In the windows, where rows of zeros fill up the last one. */
  readonly tokens?: number | undefined;
  /** Of the model's windows, of an expert's tokens. */
  readonly windowTokens?: number | undefined;
}

/** What was measured for the linears that are pruned next. */
interface Measured {
  /** By input group. */
  readonly statistics: ReadonlyMap<string, GroupStatistics>;
  /** By linear, what `DenseTargets` measures of it; once it's pruned, the weights that it was to have. */
  readonly targets: ReadonlyMap<string, TensorRef> | undefined;
}

/** Prunes and writes the linears of a block, and returns their reports. @param states whose records begin with its inputs */
export async function pruneBlock(
  tools: BlockTools,
  work: BlockAtWork,
  states: HiddenStates,
): Promise<LayerReport[]> {
  const { clock, method, regional } = tools;
  const { index, block, layers } = work;
  const reports = await clock.time('write', async () => {
    await copyUnpruned(tools, block);
    return await keptReports(tools, method, layers);
  });
  const kept = reports.size;
  const rehearsed = new Map<string, MethodOutcome>();
  const rehearse = async (own: StateRecords) => {
    const windows = { states: own, gramWindows: method.statistics === 'gram' ? own.windows : 0 };
    await measurePasses(tools, work, windows, async (inPass, measured) => {
      const outcomes = await clock.time('solve', () => solveLayers(tools, work, inPass, measured, () => {}));
      for (const [name, outcome] of outcomes) rehearsed.set(name, outcome);
    });
  };
  const notes = (await regional?.prepare({ ...work, states }, rehearse, tools.dense?.states)) ?? [];
  const pruned = layers.length - kept;
  const known = pruned > 0 && regional?.isFinal ? rehearsed : undefined;
  // What isn't pruned once more needs no targets.
  const last = known ? { ...tools, dense: undefined } : tools;
  const windows = { states, gramWindows: work.gramWindows, counted: work.tokens };
  await measurePasses(last, work, windows, async (inPass, measured) => {
    const before = reports.size - kept;
    const onPruned = (count: number) => clock.step('solve', index, before + count, pruned);
    const outcomes =
      known ?? (await clock.time('solve', () => solveLayers(last, work, inPass, measured, onPruned)));
    for (const report of await storeLayers(last, work, inPass, measured, outcomes)) {
      reports.set(report.name, { ...report, notes: [...notes, ...report.notes] });
    }
  });
  return layers.flatMap(({ name }) => reports.get(name) ?? []);
}

/** What a block is pruned on. */
interface PruningWindows {
  readonly states: StateRecords;
  /** Of the windows, how many go into Gram matrices. */
  readonly gramWindows: number;
  readonly counted?: number | undefined;
}

/** Takes the windows through the passes, and has those linears pruned whose inputs are measured. */
async function measurePasses(
  { clock, collector, method, dense }: BlockTools,
  { index, block, layers, weights, passes }: BlockAtWork,
  { states, gramWindows, counted }: PruningWindows,
  prune: (layers: readonly LayerPlan[], measured: Measured) => Promise<void>,
): Promise<void> {
  const { moments } = method;
  await clock.time('forward', async () => dense?.enter(passes, weights));
  const work = { block, passes, weights, states, counted, gramWindows, moments };
  for await (const { pass, statistics } of measuredPasses({ clock, collector }, index, work)) {
    const targets = await clock.time('statistics', async () => dense?.measure(passes, pass, weights, states));
    const inPass = layers.filter(
      ({ pattern, linear }) => pattern !== 'dense' && statistics.has(linear.inputGroup),
    );
    await prune(inPass, { statistics, targets });
    dense?.release();
  }
}

/** Writes linears that are pruned. */
async function storeLayers(
  { run, pool, writer, clock, method }: BlockTools,
  { weights }: BlockAtWork,
  layers: readonly LayerPlan[],
  measured: Measured,
  outcomes: ReadonlyMap<string, MethodOutcome>,
): Promise<LayerReport[]> {
  const zeros = await clock.time('write', () =>
    settle(
      layers.map((layer) => storeTensor(pool, writer, layerWeightName(layer), weightOf(weights, layer))),
    ),
  );
  return await clock.time('statistics', () =>
    settle(
      layers.map(async (layer, position) => {
        const gram = measured.statistics.get(layer.linear.inputGroup)?.gram;
        const dense = measured.targets?.get(layer.linear.name) ?? run.locate(layerWeightName(layer));
        return layerReport(method, layer, {
          outcome: outcomes.get(layer.name),
          zeros: zeros[position] ?? 0,
          outputError: gram ? await outputError(pool, dense, weightOf(weights, layer), gram) : null,
        });
      }),
    ),
  );
}

/** Prunes linears whose inputs are measured. @param onPruned told how many of them are */
async function solveLayers(
  tools: BlockTools,
  { block, weights, windowTokens }: BlockAtWork,
  layers: readonly LayerPlan[],
  { statistics, targets }: Measured,
  onPruned: (count: number) => void,
): Promise<Map<string, MethodOutcome>> {
  const { run, pool, method, regional, lossMeter } = tools;
  const gradients = tools.gradients ?? regional;
  const outcomes = new Map<string, MethodOutcome>();
  const loadDense = async (layer: LayerPlan, address: bigint) => {
    const target = targets?.get(layer.linear.name);
    if (target) copyFloats(target, address);
    else await loadTensor(pool, run.locate(layerWeightName(layer)), address);
  };
  const groups = inputGroups(block)
    .sort((a, b) => b.size - a.size)
    .flatMap(({ name }) => {
      const linears = layers
        .filter((layer) => layer.linear.inputGroup === name)
        .flatMap((layer) =>
          layer.pattern === 'dense'
            ? []
            : [
                {
                  name: layer.name,
                  weights: weightOf(weights, layer),
                  pattern: layer.pattern,
                  gradients: gradients?.matrices(layer),
                  gradientTokens: run.gradients?.tokens ?? regional?.tokens,
                  target: targets?.get(layer.linear.name),
                  loadDense: (address: bigint) => loadDense(layer, address),
                },
              ],
        );
      if (linears.length === 0) return [];
      const measured = statistics.get(name);
      if (!measured) throw new Error(`${block.prefix}: ${name} was not measured`);
      const changes = lossMeter?.changesOf(weights);
      const lossChanges =
        changes &&
        ((ablations: readonly Ablation[]) =>
          changes(ablations, (done, total) => onPruned(outcomes.size + (linears.length * done) / total)));
      return [
        {
          name: `${block.prefix}: ${name}`,
          statistics: measured,
          windowTokens: windowTokens ?? measured.tokens,
          linears,
          lossChanges,
        },
      ];
    });
  const { oneLinear } = run.memory;
  if (layers.length > 0) onPruned(0);
  const solve = async (group: (typeof groups)[number]) => {
    const { gram } = group.statistics;
    const targeted = group.linears.flatMap(({ weights: own, target }) =>
      target ? [{ weights: own, sums: target }] : [],
    );
    if (gram && targeted.length > 0) await fitTargets(pool, gram, targeted, run.recovery, group.name);
    for (const [name, outcome] of await method.prune(pool, group, oneLinear)) {
      outcomes.set(name, outcome);
    }
    onPruned(outcomes.size);
  };
  // While losses are measured the later blocks lie where this one does.
  if (oneLinear || lossMeter) for (const group of groups) await solve(group);
  else await pool.forEach(groups, solve);
  return outcomes;
}

function weightOf(weights: Readonly<Record<string, TensorRef>>, layer: LayerPlan): TensorRef {
  const weight = weights[`${layer.linear.name}.weight`];
  if (!weight) throw new Error(`${layer.name} is not loaded`);
  return weight;
}
