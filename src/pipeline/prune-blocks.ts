/**
 * The block loop: statistics, pruning, writing and propagation, one transformer block at a time.
 * @module
 */
import { join } from 'node:path';
import type { CheckpointWriter } from '../checkpoint/checkpoint-writer.js';
import { HiddenStates } from '../forward/hidden-states.js';
import type { Locate, ModelStream } from '../forward/model-stream.js';
import { floatTensor, isFloatDtype } from '../forward/stored-tensor.js';
import { type BlockPasses, planPasses, planWholeBlock } from '../graph/block-passes.js';
import { type BlockDescription, inputGroups, weightName } from '../model/description.js';
import type { LayerReport } from '../report/report-schema.js';
import type { TensorRef } from '../runtime/tensor-ref.js';
import { settle, type WorkerPool } from '../runtime/worker-pool.js';
import { type Pattern, patternName, patternSparsity } from '../sparsity/pattern.js';
import { StatisticsCollector } from '../statistics/collect-statistics.js';
import type { GroupStatistics } from '../statistics/group-statistics.js';
import { outputError } from '../statistics/output-error.js';
import type { BlockEntry, Journal } from './journal.js';
import type { LayerPlan } from './layer-plan.js';
import type { MethodOutcome } from './methods/method.js';
import type { PreparedRun } from './prepare-run.js';
import type { StageClock } from './stage-clock.js';
import { copyTensors, storeTensor } from './store-block.js';

export interface BlockLoopOptions {
  readonly run: PreparedRun;
  readonly pool: WorkerPool;
  readonly stream: ModelStream;
  readonly writer: CheckpointWriter;
  readonly journal: Journal;
  /** Blocks that an earlier run finished. */
  readonly finished: readonly BlockEntry[];
  /** For the hidden states. */
  readonly folder: string;
  readonly clock: StageClock;
  readonly signal?: AbortSignal | undefined;
}

/** Prunes and writes every block, and returns the reports of all linears. */
export async function pruneBlocks(options: BlockLoopOptions): Promise<LayerReport[]> {
  const { run, stream, clock, finished, signal } = options;
  const { blocks } = run.model;
  const source: Locate = (name) => floatTensor(run.checkpoint.tensors, name);
  const collector = new StatisticsCollector(options.pool, stream.graphs, run.memory.activations);
  const states =
    run.calibration && run.windows > 0
      ? new HiddenStates(
          join(options.folder, 'calibration.hidden'),
          run.windows,
          run.calibration.sequenceLength,
          run.model.hiddenSize,
          recordBytes(run),
        )
      : undefined;
  const reports: LayerReport[] = [];
  try {
    await clock.time('write', () => copyRest(options));
    if (states && run.calibration) {
      const { tokens } = run.calibration;
      if (finished.length < blocks.length)
        await clock.time('read', () => stream.embed(states, tokens, source));
    }
    for (const [index, block] of blocks.entries()) {
      signal?.throwIfAborted();
      const started = performance.now();
      const isLast = index === blocks.length - 1;
      const done = finished[index];
      let weights: Record<string, TensorRef> | undefined;
      let passes: BlockPasses | undefined;
      if (done) {
        reports.push(...done.layers);
        clock.skip();
        for (const { name } of block.tensors) await options.writer.complete(block.prefix + name);
        // Later blocks still need what this one, as it was written, makes of the windows.
        if (states && finished.length < blocks.length) {
          weights = await clock.time('read', () => stream.loadBlock(block, writtenBy(options.writer)));
        }
      } else {
        weights = await clock.time('read', () => stream.loadBlock(block, source));
        passes = states ? blockPasses(run, index, block) : undefined;
        const layers = await pruneBlock(options, index, block, weights, states, passes, collector);
        reports.push(...layers);
        clock.block(index, (performance.now() - started) / 1000, summary(layers));
      }
      if (states && weights && !isLast) {
        const loaded = weights;
        const onWindow = (count: number) => clock.step('propagate', index, count, states.windows);
        await clock.time('propagate', () =>
          stream.propagate(block, loaded, states, { passes, signal, onWindow }),
        );
      }
    }
  } finally {
    states?.dispose();
    collector.dispose();
  }
  return reports;
}

/** How the windows go through a block while its linears are pruned. */
export function blockPasses(run: PreparedRun, index: number, block: BlockDescription): BlockPasses {
  const pruned = run.layers
    .filter((layer) => layer.block === index && layer.pattern !== 'dense')
    .map(({ linear }) => linear.name);
  const inputs = run.config.calibration?.inputs ?? 'pruned';
  return planPasses(block, run.calibration?.sequenceLength ?? 0, new Set(pruned), inputs);
}

/** Of a calibration window. */
export function recordBytes(run: PreparedRun): number {
  const tokens = run.calibration?.sequenceLength ?? 0;
  // Blocks that an earlier run has finished are computed whole.
  return Math.max(
    ...run.model.blocks.flatMap((block, index) => [
      blockPasses(run, index, block).recordBytes,
      planWholeBlock(block, tokens).recordBytes,
    ]),
  );
}

async function pruneBlock(
  options: BlockLoopOptions,
  index: number,
  block: BlockDescription,
  weights: Record<string, TensorRef>,
  states: HiddenStates | undefined,
  passes: BlockPasses | undefined,
  collector: StatisticsCollector,
): Promise<LayerReport[]> {
  const { run, pool, writer, clock, journal, signal } = options;
  const layers = run.layers.filter((layer) => layer.block === index);
  const untouched = block.tensors.filter(({ name }) => !layers.some((layer) => isPruned(layer, name)));
  await clock.time('write', () =>
    copyTensors(
      pool,
      writer,
      untouched.flatMap(({ name }) => run.checkpoint.tensors.get(block.prefix + name) ?? []),
    ),
  );
  const reports = new Map<string, LayerReport>();
  const pruned = layers.filter(({ pattern }) => pattern !== 'dense').length;
  const measured = passes?.passes.filter(({ groups }) => groups.length > 0) ?? [undefined];
  for (const pass of measured) {
    const groups = pass?.groups ?? inputGroups(block);
    const statistics =
      states && passes && pass
        ? await collector.collect({
            block,
            passes,
            pass,
            weights,
            states,
            gramWindows: run.gramWindows,
            signal,
            onWindow: (done) =>
              clock.step(
                'forward',
                index,
                pass.index * states.windows + done,
                measured.length * states.windows,
              ),
            onSeconds: (phase, seconds) => clock.add(phase, seconds),
          })
        : new Map<string, GroupStatistics>();
    signal?.throwIfAborted();
    const inPass = layers.filter(
      ({ pattern, linear }) => pattern !== 'dense' && groups.some(({ name }) => name === linear.inputGroup),
    );
    const before = reports.size;
    const onPruned = (count: number) => clock.step('solve', index, before + count, pruned);
    for (const report of await pruneLayers(options, block, inPass, weights, statistics, onPruned)) {
      reports.set(report.name, report);
    }
  }
  const inOrder = layers.map(
    (layer) => reports.get(layer.name) ?? layerReport(run, layer, 0, undefined, null),
  );
  await clock.time('write', async () => {
    await writer.sync();
    journal.append({ kind: 'block', block: index, layers: inOrder, notes: [] });
  });
  return inOrder;
}

/** Prunes linears whose inputs are measured, and writes them. */
async function pruneLayers(
  options: BlockLoopOptions,
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
        const error = gram ? await outputError(pool, dense, weightOf(weights, layer), gram) : null;
        return layerReport(run, layer, zeros[position] ?? 0, outcomes.get(layer.name), error);
      }),
    ),
  );
}

async function solveLayers(
  options: BlockLoopOptions,
  block: BlockDescription,
  layers: readonly LayerPlan[],
  weights: Record<string, TensorRef>,
  statistics: ReadonlyMap<string, GroupStatistics>,
  onPruned: (count: number) => void,
): Promise<Map<string, MethodOutcome>> {
  const { run, pool } = options;
  const outcomes = new Map<string, MethodOutcome>();
  const groups = inputGroups(block)
    .sort((a, b) => b.size - a.size)
    .map(({ name }) => ({
      name: `${block.prefix}: ${name}`,
      statistics: statistics.get(name),
      linears: layers
        .filter((layer) => layer.linear.inputGroup === name)
        .flatMap((layer) =>
          layer.pattern === 'dense'
            ? []
            : [{ name: layer.name, weights: weightOf(weights, layer), pattern: layer.pattern }],
        ),
    }));
  const { oneLinear } = run.memory;
  if (layers.length > 0) onPruned(0);
  const solve = async (group: (typeof groups)[number]) => {
    if (group.linears.length === 0) return;
    for (const [name, outcome] of await run.method.prune(pool, group, run.config.prune.options, oneLinear)) {
      outcomes.set(name, outcome);
    }
    onPruned(outcomes.size);
  };
  if (oneLinear) for (const group of groups) await solve(group);
  else await pool.forEach(groups, solve);
  return outcomes;
}

/** Copies the tensors that belong to no block. */
async function copyRest({ run, pool, writer }: BlockLoopOptions): Promise<void> {
  const inBlocks = new Set(
    run.model.blocks.flatMap((block) => block.tensors.map(({ name }) => block.prefix + name)),
  );
  const rest = [...run.checkpoint.tensors.values()].filter(({ name }) => !inBlocks.has(name));
  await copyTensors(pool, writer, rest);
}

function isPruned(layer: LayerPlan, tensor: string): boolean {
  return layer.pattern !== 'dense' && tensor === `${layer.linear.name}.weight`;
}

function weightOf(weights: Record<string, TensorRef>, layer: LayerPlan): TensorRef {
  const weight = weights[`${layer.linear.name}.weight`];
  if (!weight) throw new Error(`${layer.name} is not loaded`);
  return weight;
}

/** Tensors as they lie in the output so far. */
export function writtenBy(writer: CheckpointWriter): Locate {
  return (name) => {
    const { path, offset, dtype, shape } = writer.locate(name);
    if (!isFloatDtype(dtype)) throw new Error(`${name} is stored as ${dtype}`);
    return { name, path, offset, dtype, shape };
  };
}

function layerReport(
  run: PreparedRun,
  layer: LayerPlan,
  zeros: number,
  outcome: MethodOutcome | undefined,
  error: number | null,
): LayerReport {
  const { pattern, linear } = layer;
  const dense = pattern === 'dense';
  const numel = linear.out * linear.in;
  return {
    name: layer.name,
    block: layer.block,
    shape: [linear.out, linear.in],
    method: dense ? 'dense' : run.method.name,
    target: dense ? 0 : patternSparsity(pattern as Pattern),
    sparsity: zeros / numel,
    pattern: dense ? 'dense' : patternName(pattern as Pattern),
    zeros,
    numel,
    output_error: error,
    predicted_loss: outcome?.predictedLoss ?? null,
    damping: outcome?.damping ?? null,
    seconds: outcome?.seconds ?? 0,
    notes: [...(outcome?.notes ?? [])],
  };
}

function summary(layers: readonly LayerReport[]): { sparsity: number; outputError?: number } {
  const numel = layers.reduce((sum, layer) => sum + layer.numel, 0);
  const zeros = layers.reduce((sum, layer) => sum + layer.zeros, 0);
  const errors = layers.flatMap((layer) => layer.output_error ?? []);
  const sparsity = numel === 0 ? 0 : zeros / numel;
  if (errors.length === 0) return { sparsity };
  return { sparsity, outputError: errors.reduce((sum, error) => sum + error, 0) / errors.length };
}
