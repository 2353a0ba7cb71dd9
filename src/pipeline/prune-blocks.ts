/**
 * The block loop of methods that learn from calibration: statistics, pruning, writing and propagation, one transformer
 * block at a time.
 * @module
 */
import { join } from 'node:path';
import type { CalibrationSet } from '../calibration/load-calibration.js';
import { loadTensor } from '../forward/f32-tensors.js';
import { HiddenStates } from '../forward/hidden-states.js';
import type { Locate, ModelStream } from '../forward/model-stream.js';
import { floatTensor } from '../forward/stored-tensor.js';
import { type BlockPasses, pruningPasses } from '../graph/block-passes.js';
import { type BlockDescription, inputGroups, weightName } from '../model/description.js';
import type { LayerReport } from '../report/report-schema.js';
import type { TensorRef } from '../runtime/tensor-ref.js';
import { settle } from '../runtime/worker-pool.js';
import { StatisticsCollector } from '../statistics/collect-statistics.js';
import type { GroupStatistics } from '../statistics/group-statistics.js';
import { outputError } from '../statistics/output-error.js';
import type { GradientFile } from './gradient-file.js';
import type { BlockEntry, Journal } from './journal.js';
import type { LayerPlan } from './layer-plan.js';
import { blockSummary, layerReport } from './layer-report.js';
import { LossMeter } from './measure-loss.js';
import type { Ablation, BoundMethod, MethodOutcome } from './methods/method.js';
import { prunePlans, recordBytes } from './prune-plans.js';
import type { StageClock } from './stage-clock.js';
import { type BlockStore, copyOutsideBlocks, copyUnpruned, storeTensor, writtenBy } from './store-block.js';

export interface BlockLoopOptions extends BlockStore {
  readonly journal: Journal;
  /** Blocks that an earlier run finished. */
  readonly finished: readonly BlockEntry[];
  readonly clock: StageClock;
  /** Where the method asks for gradients. */
  readonly gradients: GradientFile | undefined;
}

export interface CalibratedLoopOptions extends BlockLoopOptions {
  readonly method: BoundMethod;
  readonly calibration: CalibrationSet;
  readonly stream: ModelStream;
  /** For the hidden states. */
  readonly folder: string;
  /** Where the method asks for losses; made by the loop. */
  readonly lossMeter?: LossMeter | undefined;
}

/** Prunes and writes every block, and returns the reports of all linears. */
export async function pruneBlocks(given: CalibratedLoopOptions): Promise<LayerReport[]> {
  const { run, stream, writer, calibration, clock, finished } = given;
  const lossMeter = run.loss && new LossMeter({ ...given, loss: run.loss });
  const options = { ...given, lossMeter };
  const { blocks } = run.model;
  const plans = prunePlans(run);
  const source: Locate = (name) => floatTensor(run.checkpoint.tensors, name);
  const collector = new StatisticsCollector(options.pool, stream.graphs, run.memory.activations);
  const states = new HiddenStates(
    join(options.folder, 'calibration.hidden'),
    run.windows,
    calibration.sequenceLength,
    run.model.hiddenSize,
    recordBytes(run),
  );
  const reports: LayerReport[] = [];
  try {
    await clock.time('write', () => copyOutsideBlocks(options));
    if (finished.length < blocks.length) {
      await clock.time('read', () => stream.embed(states, calibration.tokens, source));
    }
    for (const [index, block] of blocks.entries()) {
      const started = performance.now();
      const isLast = index === blocks.length - 1;
      const done = finished[index];
      let weights: Record<string, TensorRef> | undefined;
      let passes: BlockPasses | undefined;
      if (done) {
        reports.push(...done.layers);
        await skipBlock(options, block);
        // Later blocks still need what this one, as it was written, makes of the windows.
        if (finished.length < blocks.length) {
          weights = await clock.time('read', () => stream.loadBlock(block, writtenBy(writer)));
        }
      } else {
        weights = await clock.time('read', () => stream.loadBlock(block, source));
        passes = plans[index] as BlockPasses;
        await lossMeter?.start(index, states);
        const layers = await pruneBlock(options, index, block, weights, states, passes, collector);
        reports.push(...layers);
        clock.block(index, (performance.now() - started) / 1000, blockSummary(layers));
      }
      if (weights && !isLast) {
        const loaded = weights;
        const onWindow = (count: number) => clock.step('propagate', index, count, states.windows);
        await clock.time('propagate', () => stream.propagate(block, loaded, states, { passes, onWindow }));
      }
    }
  } finally {
    states.dispose();
    collector.dispose();
    lossMeter?.dispose();
  }
  return reports;
}

/** A block that an earlier run has finished. */
export async function skipBlock({ writer, clock }: BlockLoopOptions, block: BlockDescription): Promise<void> {
  clock.skip();
  for (const { name } of block.tensors) await writer.complete(block.prefix + name);
}

/** Puts a block that has been written on the disk, and then into the journal. */
export async function recordBlock(
  { writer, journal }: BlockLoopOptions,
  index: number,
  layers: readonly LayerReport[],
): Promise<void> {
  await writer.sync();
  journal.append({ kind: 'block', block: index, layers: [...layers], notes: [] });
}

async function pruneBlock(
  options: CalibratedLoopOptions,
  index: number,
  block: BlockDescription,
  weights: Record<string, TensorRef>,
  states: HiddenStates,
  passes: BlockPasses,
  collector: StatisticsCollector,
): Promise<LayerReport[]> {
  const { run, clock } = options;
  const layers = run.layers.filter((layer) => layer.block === index);
  await clock.time('write', () => copyUnpruned(options, block, layers));
  const reports = new Map<string, LayerReport>();
  const pruned = layers.filter(({ pattern }) => pattern !== 'dense').length;
  const inTurn = pruningPasses(passes);
  for (const pass of inTurn) {
    const { groups } = pass;
    const statistics = await collector.collect({
      block,
      passes,
      pass,
      weights,
      states,
      gramWindows: run.gramWindows,
      moments: options.method.moments,
      onWindow: (done) =>
        clock.step('forward', index, pass.index * states.windows + done, inTurn.length * states.windows),
      onSeconds: (phase, seconds) => clock.add(phase, seconds),
    });
    const inPass = layers.filter(
      ({ pattern, linear }) => pattern !== 'dense' && groups.some(({ name }) => name === linear.inputGroup),
    );
    const before = reports.size;
    const onPruned = (count: number) => clock.step('solve', index, before + count, pruned);
    for (const report of await pruneLayers(options, block, inPass, weights, statistics, onPruned)) {
      reports.set(report.name, report);
    }
  }
  const inOrder = layers.map((layer) => reports.get(layer.name) ?? layerReport(options.method, layer));
  await clock.time('write', () => recordBlock(options, index, inOrder));
  return inOrder;
}

/** Prunes linears whose inputs are measured, and writes them. */
async function pruneLayers(
  options: CalibratedLoopOptions,
  block: BlockDescription,
  layers: readonly LayerPlan[],
  weights: Record<string, TensorRef>,
  statistics: ReadonlyMap<string, GroupStatistics>,
  onPruned: (count: number) => void,
): Promise<LayerReport[]> {
  const { run, pool, writer, clock } = options;
  const outcomes = await clock.time('solve', () =>
    solveLayers(options, block, layers, weights, statistics, onPruned),
  );
  const zeros = await clock.time('write', () =>
    settle(
      layers.map((layer) =>
        storeTensor(pool, writer, weightName(block, layer.linear), weightOf(weights, layer)),
      ),
    ),
  );
  return await clock.time('statistics', () =>
    settle(
      layers.map(async (layer, position) => {
        const gram = statistics.get(layer.linear.inputGroup)?.gram;
        const dense = floatTensor(run.checkpoint.tensors, weightName(block, layer.linear));
        return layerReport(options.method, layer, {
          outcome: outcomes.get(layer.name),
          zeros: zeros[position] ?? 0,
          outputError: gram ? await outputError(pool, dense, weightOf(weights, layer), gram) : null,
        });
      }),
    ),
  );
}

async function solveLayers(
  options: CalibratedLoopOptions,
  block: BlockDescription,
  layers: readonly LayerPlan[],
  weights: Record<string, TensorRef>,
  statistics: ReadonlyMap<string, GroupStatistics>,
  onPruned: (count: number) => void,
): Promise<Map<string, MethodOutcome>> {
  const { run, pool, method, lossMeter } = options;
  const outcomes = new Map<string, MethodOutcome>();
  const dense = ({ linear }: LayerPlan) => floatTensor(run.checkpoint.tensors, weightName(block, linear));
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
                  gradients: options.gradients?.matrices(layer),
                  loadDense: (address: bigint) => loadTensor(pool, dense(layer), address),
                },
              ],
        );
      if (linears.length === 0) return [];
      const measured = statistics.get(name);
      if (!measured) throw new Error(`${block.prefix}: ${name} was not measured`);
      const lossChanges =
        lossMeter &&
        ((ablations: readonly Ablation[]) => {
          const share = (done: number, total: number) =>
            onPruned(outcomes.size + (linears.length * done) / total);
          return lossMeter.changes(weights, ablations, share);
        });
      return [{ name: `${block.prefix}: ${name}`, statistics: measured, linears, lossChanges }];
    });
  const { oneLinear } = run.memory;
  if (layers.length > 0) onPruned(0);
  const solve = async (group: (typeof groups)[number]) => {
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

function weightOf(weights: Record<string, TensorRef>, layer: LayerPlan): TensorRef {
  const weight = weights[`${layer.linear.name}.weight`];
  if (!weight) throw new Error(`${layer.name} is not loaded`);
  return weight;
}
