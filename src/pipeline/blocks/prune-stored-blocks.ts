/**
 * The block loop of methods that look at each matrix alone: every linear is pruned on its way from the source into its
 * shard, and no block is ever in memory.
 * @module
 */
import { type BlockDescription, unitsOf } from '../../model/description.js';
import type { LayerReport } from '../../report/report-schema.js';
import { settle } from '../../runtime/worker-pool.js';
import type { BoundMethod } from '../methods/method.js';
import { layerWeightName } from '../prepare/layer-plan.js';
import type { MemorySettings } from '../prepare/memory-settings.js';
import { keptReports } from './kept-reports.js';
import { blockSummary, layerReport } from './layer-report.js';
import { type BlockLoopOptions, recordBlock, skipBlock } from './prune-blocks.js';
import { byMagnitude, fallbackNote, gradientTokensOf } from './starved-experts.js';
import { copyOutsideBlocks, copyUnpruned } from './store-block.js';
import { unitLayers } from './unit-layers.js';

/**
 * Linears that are pruned at the same time. Each is work for all workers; a second one keeps them busy while the first
 * waits for its threshold, and more would only keep the disk waiting for the first bytes.
 */
export function linearsAtOnce({ workers, oneLinear }: MemorySettings): number {
  return oneLinear ? 1 : Math.max(2, workers);
}

export interface StoredLoopOptions extends BlockLoopOptions {
  readonly method: BoundMethod;
  readonly pruneStored: NonNullable<BoundMethod['pruneStored']>;
  /** Called when all that is left to do is to wait for the disk. */
  readonly onWaiting?: (() => void) | undefined;
}

/**
 * Prunes and writes every block, and returns the reports of all linears. A block goes to the disk and into the journal while
 * the next one is pruned.
 */
export async function pruneStoredBlocks(options: StoredLoopOptions): Promise<LayerReport[]> {
  const { run, clock, finished } = options;
  const reports: LayerReport[] = [];
  await clock.time('write', () => copyOutsideBlocks(options));
  /** Of the block before; begun, and waited for once the next is pruned. */
  let recording: Promise<void> | undefined;
  try {
    for (const [index, block] of run.model.blocks.entries()) {
      const done = finished[index];
      if (done) {
        reports.push(...done.layers);
        await skipBlock(options, block);
        continue;
      }
      const started = performance.now();
      const { layers, completing } = await pruneStoredBlock(options, index, block);
      reports.push(...layers);
      if (index === run.model.blocks.length - 1) options.onWaiting?.();
      await clock.time('write', async () => recording);
      const seconds = (performance.now() - started) / 1000;
      recording = settle(completing)
        .then(() => recordBlock(options, index, layers))
        .then(() => clock.block(index, seconds, blockSummary(layers)));
      // Should it fail, then where it is waited for.
      recording.catch(() => {});
    }
    await clock.time('write', async () => recording);
  } finally {
    await Promise.allSettled([recording]);
  }
  return reports;
}

/** @returns reports in the order of the linears, and what is left of completing their tensors */
async function pruneStoredBlock(
  options: StoredLoopOptions,
  index: number,
  block: BlockDescription,
): Promise<{ layers: LayerReport[]; completing: Promise<void>[] }> {
  const { run, pool, writer, method, pruneStored, clock } = options;
  const layers = unitsOf(block).flatMap((unit) => unitLayers(run, unit));
  const magnitude = byMagnitude(run);
  const reports = await clock.time('write', async () => {
    for (const unit of unitsOf(block)) await copyUnpruned(options, unit);
    return await keptReports(options, method, layers);
  });
  const kept = reports.size;
  const pruned = layers.flatMap((layer) =>
    layer.pattern === 'dense' ? [] : [{ layer, pattern: layer.pattern }],
  );
  const completing: Promise<void>[] = [];
  const prune = async ({ layer, pattern }: (typeof pruned)[number]) => {
    const tensor = layerWeightName(layer);
    const matrix = {
      source: run.locate(tensor),
      target: writer.locate(tensor),
      onWritten: (weights: number) => writer.wrote(tensor, weights),
    };
    const linear = { name: layer.name, matrix, pattern };
    const starved = options.gradients?.starved.get(layer.unit.prefix);
    const { zeros, ...outcome } = await writer.inTurn(tensor, async () => {
      if (starved === undefined) {
        return await pruneStored(pool, { ...linear, gradients: options.gradients?.matrices(layer) });
      }
      if (!magnitude.pruneStored) throw new Error('magnitude prunes what is stored');
      const pruned = await magnitude.pruneStored(pool, linear);
      const note = fallbackNote(run, layer.unit, gradientTokensOf(run, starved), 'magnitude');
      return { ...pruned, notes: [note, ...pruned.notes] };
    });
    // Only the last tensor of a shard takes time to complete; it may wait for the disk while others are pruned.
    const completed = writer.complete(tensor);
    completed.catch(() => {});
    completing.push(completed);
    reports.set(
      layer.name,
      layerReport(starved === undefined ? method : magnitude, layer, { outcome, zeros, outputError: null }),
    );
    clock.step('solve', index, reports.size - kept, pruned.length);
  };
  if (pruned.length > 0) clock.step('solve', index, 0, pruned.length);
  await clock.time('solve', async () => {
    await pool.forEach(pruned, prune, linearsAtOnce(run.memory));
  });
  return {
    layers: layers.flatMap(({ name }) => reports.get(name) ?? []),
    completing,
  };
}
