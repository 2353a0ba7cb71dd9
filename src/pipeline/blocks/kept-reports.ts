/**
 * The reports of linears that stay dense.
 * @module
 */
import type { LayerReport } from '../../report/report-schema.js';
import { settle } from '../../runtime/worker-pool.js';
import { countZeros } from '../../sparsity/count-stored-zeros.js';
import type { BoundMethod } from '../methods/method.js';
import { type LayerPlan, layerWeightName } from '../prepare/layer-plan.js';
import { layerReport } from './layer-report.js';
import type { BlockStore } from './store-block.js';

/**
 * Counts the zeros that a source has in linears that stay dense, in the output. They must have been copied, and none of their
 * shards may be about to get its final name: so before other linears of the block are written.
 *
 * @param layers those that are pruned are left out
 * @returns by name
 */
export async function keptReports(
  { pool, writer }: Pick<BlockStore, 'pool' | 'writer'>,
  method: BoundMethod,
  layers: readonly LayerPlan[],
): Promise<Map<string, LayerReport>> {
  const kept = layers.filter(({ pattern }) => pattern === 'dense');
  const reports = await settle(
    kept.map(async (layer) => {
      const { zeros } = await countZeros(pool, writer.locate(layerWeightName(layer)), undefined);
      return layerReport(method, layer, { outcome: undefined, zeros, outputError: null });
    }),
  );
  return new Map(reports.map((report) => [report.name, report]));
}
