/**
 * How the calibration windows of a run go through its blocks.
 * @module
 */
import type { RunConfig } from '../config/run-schema.js';
import { type BlockPasses, type InputsMeasured, planPasses, planWholeBlock } from '../graph/block-passes.js';
import type { PreparedRun } from './prepare-run.js';

/** The passes of every block while its linears are pruned; none where no windows are run. */
export function prunePlans({ model, layers, calibration, windows, config }: PreparedRun): BlockPasses[] {
  if (!calibration || windows === 0) return [];
  return model.blocks.map((block, index) => {
    const pruned = layers
      .filter((layer) => layer.block === index && layer.pattern !== 'dense')
      .map(({ linear }) => linear.name);
    return planPasses(block, calibration.sequenceLength, new Set(pruned), inputsMeasured(config));
  });
}

/**
 * What `calibration.inputs` comes to. N:M takes more from queries and keys than they can make up for: an output projection
 * fitted to what they then attend to does worse (figures in docs/architecture.md).
 */
function inputsMeasured({ calibration, prune }: RunConfig): InputsMeasured {
  const inputs = calibration?.inputs ?? 'auto';
  if (inputs !== 'auto') return inputs;
  // What attention lost is made up for.
  if (calibration && calibration.recovery > 0) return 'pruned';
  return prune.pattern === undefined ? 'pruned' : 'mixed';
}

/** The passes of every block while the dense model is measured for an allocation; none where no windows are. */
export function measuringPlans({ model, layers, calibration, allocation }: PreparedRun): BlockPasses[] {
  if (!calibration || allocation.windows === 0) return [];
  return model.blocks.map((block, index) => {
    const measured = layers.filter((layer) => layer.block === index && layer.shares);
    // Nothing is pruned between the passes, so that each product is computed once.
    const names = new Set(measured.map(({ linear }) => linear.name));
    return planPasses(block, calibration.sequenceLength, names, 'pruned');
  });
}

/** Of a window while the dense model is measured. */
export function measuringRecordBytes(run: PreparedRun): number {
  return Math.max(0, ...measuringPlans(run).map((passes) => passes.recordBytes));
}

/** Of a calibration window. */
export function recordBytes(run: PreparedRun): number {
  const tokens = run.calibration?.sequenceLength ?? 0;
  // Blocks that an earlier run has finished are computed whole.
  const plans = [...prunePlans(run), ...run.model.blocks.map((block) => planWholeBlock(block, tokens))];
  return Math.max(...plans.map((passes) => passes.recordBytes));
}
