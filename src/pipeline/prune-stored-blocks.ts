/**
 * The block loop of methods that look at each matrix alone: every linear is pruned on its way from the source into its
 * shard, and no block is ever in memory.
 * @module
 */
import { floatTensor } from '../forward/stored-tensor.js';
import { type BlockDescription, weightName } from '../model/description.js';
import type { LayerReport } from '../report/report-schema.js';
import { blockSummary, layerReport } from './layer-report.js';
import type { UncalibratedMethod } from './methods/method.js';
import { type BlockLoopOptions, recordBlock, skipBlock } from './prune-blocks.js';
import { copyOutsideBlocks, copyUnpruned, writtenBy } from './store-block.js';

export interface StoredLoopOptions extends BlockLoopOptions {
  readonly method: UncalibratedMethod;
}

/** Prunes and writes every block, and returns the reports of all linears. */
export async function pruneStoredBlocks(options: StoredLoopOptions): Promise<LayerReport[]> {
  const { run, clock, finished, signal } = options;
  const reports: LayerReport[] = [];
  await clock.time('write', () => copyOutsideBlocks(options));
  for (const [index, block] of run.model.blocks.entries()) {
    signal?.throwIfAborted();
    const done = finished[index];
    if (done) {
      reports.push(...done.layers);
      await skipBlock(options, block);
      continue;
    }
    const started = performance.now();
    const layers = await pruneStoredBlock(options, index, block);
    reports.push(...layers);
    await clock.time('write', () => recordBlock(options, index, layers));
    clock.block(index, (performance.now() - started) / 1000, blockSummary(layers));
  }
  return reports;
}

async function pruneStoredBlock(
  options: StoredLoopOptions,
  index: number,
  block: BlockDescription,
): Promise<LayerReport[]> {
  const { run, pool, writer, method, clock, signal } = options;
  const layers = run.layers.filter((layer) => layer.block === index);
  await clock.time('write', () => copyUnpruned(options, block, layers));
  const pruned = layers.flatMap((layer) =>
    layer.pattern === 'dense' ? [] : [{ layer, pattern: layer.pattern }],
  );
  const locate = writtenBy(writer);
  const reports = new Map<string, LayerReport>();
  const prune = async ({ layer, pattern }: (typeof pruned)[number]) => {
    signal?.throwIfAborted();
    const tensor = weightName(block, layer.linear);
    const matrix = { source: floatTensor(run.checkpoint.tensors, tensor), target: locate(tensor) };
    const linear = { name: layer.name, matrix, pattern };
    const { zeros, ...outcome } = await method.pruneStored(pool, linear, run.config.prune.options);
    await writer.complete(tensor);
    reports.set(layer.name, layerReport(method, layer, { outcome, zeros, outputError: null }));
    clock.step('solve', index, reports.size, pruned.length);
  };
  if (pruned.length > 0) clock.step('solve', index, 0, pruned.length);
  await clock.time('solve', async () => {
    if (run.memory.oneLinear) for (const linear of pruned) await prune(linear);
    else await pool.forEach(pruned, prune);
  });
  return layers.map((layer) => reports.get(layer.name) ?? layerReport(method, layer));
}
