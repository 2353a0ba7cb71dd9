/**
 * The block loop of methods that learn from calibration: statistics, pruning, writing and propagation, one transformer
 * block at a time.
 * @module
 */
import { join } from 'node:path';
import type { CalibrationSet } from '../calibration/load-calibration.js';
import { loadTensor } from '../forward/f32-tensors.js';
import { HiddenStates, type StateRecords } from '../forward/hidden-states.js';
import type { Locate, ModelStream } from '../forward/model-stream.js';
import { floatTensor } from '../forward/stored-tensor.js';
import { type BlockPasses, pruningPasses } from '../graph/block-passes.js';
import { type BlockDescription, inputGroups, weightName } from '../model/description.js';
import type { LayerReport } from '../report/report-schema.js';
import type { TensorRef } from '../runtime/tensor-ref.js';
import { copyFloats } from '../runtime/tensor-ref.js';
import { settle } from '../runtime/worker-pool.js';
import { fitTargets } from '../solvers/fit-targets.js';
import { StatisticsCollector } from '../statistics/collect-statistics.js';
import type { GroupStatistics } from '../statistics/group-statistics.js';
import { outputError } from '../statistics/output-error.js';
import { DenseTargets } from './dense-targets.js';
import type { GradientFile } from './gradient-file.js';
import type { BlockEntry, Journal } from './journal.js';
import type { LayerPlan } from './layer-plan.js';
import { blockSummary, layerReport } from './layer-report.js';
import { LossMeter } from './measure-loss.js';
import type { Ablation, BoundMethod, MethodOutcome } from './methods/method.js';
import { prunePlans, recordBytes } from './prune-plans.js';
import { RegionalBlocks } from './regional-blocks.js';
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
  const targets = run.targeted ? new DenseTargets(options) : undefined;
  const reports: LayerReport[] = [];
  const { folder, pool } = options;
  const regional = run.regional && new RegionalBlocks({ run, pool, stream, folder, clock }, run.regional);
  try {
    await clock.time('write', () => copyOutsideBlocks(options));
    if (finished.length < blocks.length) {
      await clock.time('read', async () => {
        await stream.embed(states, calibration.tokens, source);
        await targets?.embed(source);
      });
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
        // Later blocks still need what this one, as it was and as it was written, makes of the windows.
        if (finished.length < blocks.length) {
          if (targets) {
            const dense = await clock.time('read', () => stream.loadBlock(block, source));
            await clock.time('propagate', () => targets.propagate(block, dense));
          }
          weights = await clock.time('read', () => stream.loadBlock(block, writtenBy(writer)));
        }
      } else {
        weights = await clock.time('read', () => stream.loadBlock(block, source));
        passes = plans[index] as BlockPasses;
        await lossMeter?.start(index, states);
        const tools = { ...options, collector, regional, denseTargets: targets };
        const layers = await pruneBlock(tools, index, block, weights, states, passes);
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
    regional?.dispose();
    collector.dispose();
    targets?.dispose();
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

/** What was measured for the linears that are pruned next. */
interface Measured {
  /** By input group. */
  readonly statistics: ReadonlyMap<string, GroupStatistics>;
  /** By linear, where they are fitted to the dense model: what `DenseTargets` measures. */
  readonly targets: ReadonlyMap<string, TensorRef> | undefined;
}

/** What every block is pruned with. */
interface BlockTools extends CalibratedLoopOptions {
  readonly collector: StatisticsCollector;
  readonly regional: RegionalBlocks | undefined;
  readonly denseTargets: DenseTargets | undefined;
}

async function pruneBlock(
  options: BlockTools,
  index: number,
  block: BlockDescription,
  weights: Record<string, TensorRef>,
  states: HiddenStates,
  passes: BlockPasses,
): Promise<LayerReport[]> {
  const { run, clock, regional } = options;
  const layers = run.layers.filter((layer) => layer.block === index);
  await clock.time('write', () => copyUnpruned(options, block, layers));
  const reports = new Map<string, LayerReport>();
  const pruned = layers.filter(({ pattern }) => pattern !== 'dense').length;
  const measured = { index, block, layers, weights, passes };
  const rehearsed = new Map<string, MethodOutcome>();
  const needsGram = options.method.statistics === 'gram';
  const notes = await regional?.prepare(
    { ...measured, states },
    (own) =>
      measurePasses(
        options,
        { ...measured, states: own, gramWindows: needsGram ? own.windows : 0 },
        async (inPass, found) => {
          const outcomes = await clock.time('solve', () =>
            solveLayers(options, block, inPass, weights, found, () => {}),
          );
          for (const [name, outcome] of outcomes) rehearsed.set(name, outcome);
        },
      ),
    options.denseTargets?.states,
  );
  const known = regional?.isFinal ? rehearsed : undefined;
  const { gramWindows } = run;
  // What isn't pruned once more needs no targets.
  const denseTargets = known ? undefined : options.denseTargets;
  await measurePasses(
    { ...options, denseTargets },
    { ...measured, states, gramWindows },
    async (inPass, found) => {
      const before = reports.size;
      const onPruned = (count: number) => clock.step('solve', index, before + count, pruned);
      for (const report of await pruneLayers(options, block, inPass, weights, found, onPruned, known)) {
        reports.set(report.name, { ...report, notes: [...(notes ?? []), ...report.notes] });
      }
    },
  );
  const inOrder = layers.map((layer) => reports.get(layer.name) ?? layerReport(options.method, layer));
  await clock.time('write', () => recordBlock(options, index, inOrder));
  return inOrder;
}

/** A block, and the states of the windows that it is pruned on. */
interface MeasuredBlock {
  readonly index: number;
  readonly block: BlockDescription;
  readonly layers: readonly LayerPlan[];
  readonly weights: Record<string, TensorRef>;
  readonly states: StateRecords;
  readonly passes: BlockPasses;
  /** Of the windows, how many go into Gram matrices. */
  readonly gramWindows: number;
}

/** Takes the windows through the passes, and has those linears pruned whose inputs are measured. */
async function measurePasses(
  { clock, collector, method, denseTargets }: BlockTools,
  { index, block, layers, weights, states, passes, gramWindows }: MeasuredBlock,
  prune: (layers: readonly LayerPlan[], measured: Measured) => Promise<void>,
): Promise<void> {
  const inTurn = pruningPasses(passes);
  await clock.time('forward', async () => denseTargets?.enter(passes, weights));
  for (const pass of inTurn) {
    const { groups } = pass;
    const statistics = await collector.collect({
      block,
      passes,
      pass,
      weights,
      states,
      gramWindows,
      moments: method.moments,
      onWindow: (done) =>
        clock.step('forward', index, pass.index * states.windows + done, inTurn.length * states.windows),
      onSeconds: (phase, seconds) => clock.add(phase, seconds),
    });
    const targets = await clock.time('statistics', async () =>
      denseTargets?.measure(passes, pass, weights, states),
    );
    const inPass = layers.filter(
      ({ pattern, linear }) => pattern !== 'dense' && groups.some(({ name }) => name === linear.inputGroup),
    );
    await prune(inPass, { statistics, targets });
  }
}

/** Prunes linears whose inputs are measured, unless it is `known` what came of them, and writes them. */
async function pruneLayers(
  options: BlockTools,
  block: BlockDescription,
  layers: readonly LayerPlan[],
  weights: Record<string, TensorRef>,
  measured: Measured,
  onPruned: (count: number) => void,
  known: ReadonlyMap<string, MethodOutcome> | undefined,
): Promise<LayerReport[]> {
  const { run, pool, writer, clock } = options;
  const outcomes =
    known ??
    (await clock.time('solve', () => solveLayers(options, block, layers, weights, measured, onPruned)));
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
        const gram = measured.statistics.get(layer.linear.inputGroup)?.gram;
        const dense =
          measured.targets?.get(layer.linear.name) ??
          floatTensor(run.checkpoint.tensors, weightName(block, layer.linear));
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
  options: BlockTools,
  block: BlockDescription,
  layers: readonly LayerPlan[],
  weights: Record<string, TensorRef>,
  { statistics, targets }: Measured,
  onPruned: (count: number) => void,
): Promise<Map<string, MethodOutcome>> {
  const { run, pool, method, regional, lossMeter } = options;
  const gradients = options.gradients ?? regional;
  const outcomes = new Map<string, MethodOutcome>();
  const loadDense = async ({ linear }: LayerPlan, address: bigint) => {
    const target = targets?.get(linear.name);
    if (target) copyFloats(target, address);
    else await loadTensor(pool, floatTensor(run.checkpoint.tensors, weightName(block, linear)), address);
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
                  gradientTokens: regional?.tokens,
                  target: targets?.get(layer.linear.name),
                  loadDense: (address: bigint) => loadDense(layer, address),
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
    const { gram } = group.statistics;
    const targeted = group.linears.flatMap(({ weights: own, target }) =>
      target ? [{ weights: own, sums: target }] : [],
    );
    if (gram && targeted.length > 0) await fitTargets(pool, gram, targeted, group.name);
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
