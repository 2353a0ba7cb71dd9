/**
 * The block loop of methods that learn from calibration: statistics, pruning, writing and propagation, one transformer
 * block at a time.
 * @module
 */
import type { CalibrationSet } from '../../calibration/load-calibration.js';
import { hiddenFile } from '../../forward/hidden-file.js';
import { HiddenStates } from '../../forward/hidden-states.js';
import type { ModelStream } from '../../forward/model-stream.js';
import type { BlockPasses } from '../../graph/block-passes.js';
import { storedNames } from '../../model/check-tensors.js';
import { type BlockDescription, unitsOf } from '../../model/description.js';
import type { LayerReport } from '../../report/report-schema.js';
import { StatisticsCollector } from '../../statistics/collect-statistics.js';
import { peakRssBytes } from '../../system/peak-rss-bytes.js';
import type { GradientFile } from '../dense/gradient-file.js';
import type { BoundMethod } from '../methods/method.js';
import type { BlockEntry, Journal } from '../output/journal.js';
import { prunePlans, recordBytes } from '../prepare/prune-plans.js';
import type { StageClock } from '../progress/stage-clock.js';
import { DenseTargets } from './dense-targets.js';
import { blockSummary } from './layer-report.js';
import { LossMeter } from './measure-loss.js';
import { type BlockTools, pruneBlock } from './prune-block.js';
import { pruneExperts } from './prune-experts.js';
import { RegionalBlocks } from './regional-blocks.js';
import { type BlockStore, copyOutsideBlocks } from './store-block.js';
import { unitLayers } from './unit-layers.js';

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
}

/** Prunes and writes every block, and returns the reports of all linears. */
export async function pruneBlocks(options: CalibratedLoopOptions): Promise<LayerReport[]> {
  const { run, stream, writer, calibration, clock, finished } = options;
  const { blocks } = run.model;
  const plans = prunePlans(run);
  const source = run.locate;
  const open: { dispose(): void }[] = [];
  const opened = <Tool extends { dispose(): void }>(tool: Tool): Tool => {
    open.push(tool);
    return tool;
  };
  const reports: LayerReport[] = [];
  try {
    const states = opened(
      new HiddenStates(
        hiddenFile(options.folder, 'calibration'),
        run.windows,
        calibration.sequenceLength,
        run.model.hiddenSize,
        recordBytes(run),
      ),
    );
    const dense = run.recovery > 0 ? opened(new DenseTargets(options)) : undefined;
    const lossMeter = run.loss && opened(new LossMeter({ ...options, loss: run.loss }));
    const tools: BlockTools = {
      ...options,
      collector: opened(new StatisticsCollector(options.pool, stream.graphs, run.memory.activations)),
      dense,
      regional: run.regional && opened(new RegionalBlocks(options, run.regional)),
      lossMeter,
    };
    await clock.time('write', () => copyOutsideBlocks(options));
    if (finished.length < blocks.length) {
      await clock.time('read', async () => {
        await stream.embed(states, calibration.tokens, source);
        await dense?.embed(source);
      });
    }
    for (const [index, block] of blocks.entries()) {
      const started = performance.now();
      const isLast = index === blocks.length - 1;
      const done = finished[index];
      const onWindow = (count: number) => clock.step('propagate', index, count, states.windows);
      if (done) {
        reports.push(...done.layers);
        await skipBlock(options, block);
        if (isLast) continue;
        // Later blocks still need what this one, as it was and as it was written, makes of the windows.
        if (finished.length < blocks.length) {
          if (dense) {
            const before = await clock.time('read', () => stream.loadBlock(block, source));
            await clock.time('propagate', () => dense.propagate(block, before));
          }
          const written = await clock.time('read', () => stream.loadBlock(block, writer.locate));
          await clock.time('propagate', () =>
            stream.runBlock(block, written, states, writer.locate, { onWindow }),
          );
        }
        continue;
      }
      const weights = await clock.time('read', () => stream.loadBlock(block, source));
      const passes = plans[index] as BlockPasses;
      const propagate = () =>
        clock.time('propagate', () => stream.propagate(block, weights, states, { passes, onWindow }));
      await lossMeter?.start(index, states);
      const layers = unitLayers(run, block);
      const { gramWindows } = run;
      const pruned = await pruneBlock(tools, { index, block, layers, weights, passes, gramWindows }, states);
      if (block.experts) {
        await propagate();
        pruned.push(...(await pruneExperts(tools, { index, passes, states, isLast })));
      }
      await clock.time('write', () => recordBlock(options, index, pruned));
      reports.push(...pruned);
      clock.block(index, (performance.now() - started) / 1000, blockSummary(pruned));
      if (!isLast && !block.experts) await propagate();
    }
  } finally {
    for (const tool of open) tool.dispose();
  }
  return reports;
}

/** A block that an earlier run has finished. */
export async function skipBlock({ writer, clock }: BlockLoopOptions, block: BlockDescription): Promise<void> {
  clock.skip();
  for (const name of unitsOf(block).flatMap(storedNames)) await writer.completeWhole(name);
}

/** Puts a block that has been written on the disk, and then into the journal. */
export async function recordBlock(
  { writer, journal, clock }: BlockLoopOptions,
  index: number,
  layers: readonly LayerReport[],
): Promise<void> {
  await writer.stored.sync();
  const cost = { seconds: clock.lap(), peak_rss_bytes: peakRssBytes() };
  journal.append({ kind: 'block', cost, block: index, layers: [...layers] });
}
