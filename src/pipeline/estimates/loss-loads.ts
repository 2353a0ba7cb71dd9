/**
 * What is loaded and written while losses are measured.
 * @module
 */
import { elementCount } from '../../graph/value.js';
import { type BlockDescription, inputGroups } from '../../model/description.js';
import { batchSize } from '../blocks/measure-loss.js';
import type { PreparedRun } from '../prepare/prepare-run.js';
import { lossMeasurements } from './estimate-flops.js';

/** Weights: of the blocks behind those at work, for every batch of ablations, and of those at work, which wait in a file. */
export function lossLoads(run: PreparedRun): { readonly loaded: number; readonly stored: number } {
  const { model, loss } = run;
  let [behind, loaded, stored] = [0, 0, 0];
  if (!loss) return { loaded, stored };
  const batch = batchSize(model, loss);
  for (const block of model.blocks.toReversed()) {
    const own = block.tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0);
    const batches = lossBatches(run, block, batch);
    loaded += batches * (behind + own);
    stored += batches * own;
    behind += own;
  }
  return { loaded, stored };
}

/** Each input group measures twice, candidates and then masks. @param size ablations of a batch */
function lossBatches(run: PreparedRun, block: BlockDescription, size: number): number {
  return 2 * inputGroups(block).length + Math.ceil(lossMeasurements(run, block) / size);
}
