/**
 * Whether the files hold what was pruned.
 * @module
 */
import { RunError } from '../errors.js';
import type { LayerReport } from '../report/report-schema.js';
import { countZeros } from '../sparsity/count-stored-zeros.js';
import { layerWeightName } from './prepare/layer-plan.js';
import type { PhaseSeconds } from './progress/phase-timer.js';
import { StageClock } from './progress/stage-clock.js';
import type { StageContext } from './stage-context.js';

/** Counts zeros and groups again, in the files as they were written. @throws RunError naming the first layer that differs */
export async function verifyWritten(
  { run, pool, writer, onProgress }: StageContext,
  layers: readonly LayerReport[],
): Promise<PhaseSeconds[]> {
  const clock = new StageClock('verify', run.model.blocks.length, 0, onProgress);
  await clock.time('verify', () =>
    pool.forEach([...run.layers.entries()], async ([index, layer]) => {
      if (layer.pattern === 'dense') return;
      const report = layers[index];
      if (report?.name !== layer.name) throw new Error(`${layer.name} has no report`);
      const { zeros, violations } = await countZeros(
        pool,
        writer.locate(layerWeightName(layer)),
        layer.pattern,
      );
      if (zeros !== report.zeros || violations > 0) {
        throw new RunError(
          `${layer.name}: the written file has ${zeros} zeros and ${violations} groups that break ${report.pattern}, ` +
            `expected ${report.zeros} and 0; the disk may be failing`,
        );
      }
      clock.reach(layer.block);
      clock.step('verify', layer.block, index + 1, run.layers.length);
    }),
  );
  return clock.end();
}
