/**
 * How the calibration windows of a run go through its blocks.
 * @module
 */
import {
  type BlockPasses,
  type InputsMeasured,
  linearsBeforeMixing,
  planPasses,
  planWholeBlock,
} from '../../graph/block-passes.js';
import type { BlockDescription } from '../../model/description.js';
import { prunedLinears, unitLayers } from '../blocks/unit-layers.js';
import type { PreparedRun } from './prepare-run.js';

/** The passes of every block while its linears are pruned; none where no windows are run. */
export function prunePlans(run: PreparedRun): BlockPasses[] {
  const { calibration, windows } = run;
  if (!calibration || windows === 0) return [];
  return run.model.blocks.map((block) => prunePlan(run, block, calibration.sequenceLength));
}

/** The passes of a block, or of one of its experts, while its linears are pruned. */
export function prunePlan(run: PreparedRun, unit: BlockDescription, tokens: number): BlockPasses {
  const names = new Set(prunedLinears(run, unit).map(({ name }) => name));
  return planPasses(unit, tokens, names, inputsMeasured(run, unit, tokens));
}

/**
 * What `calibration.inputs` comes to for a block, or for one of its experts. N:M takes more from queries and keys than they can
 * make up for: an output projection fitted to what they then attend to does worse (figures in docs/architecture.md).
 */
export function inputsMeasured(
  { config: { calibration }, layers }: Pick<PreparedRun, 'config' | 'layers'>,
  unit: BlockDescription,
  tokens: number,
): InputsMeasured {
  const inputs = calibration?.inputs ?? 'auto';
  if (inputs !== 'auto') return inputs;
  // What attention lost is made up for.
  if (calibration && calibration.recovery > 0) return 'pruned';
  const grouped = unitLayers({ layers }, unit).filter(
    ({ pattern }) => pattern !== 'dense' && pattern.kind === 'n:m',
  );
  if (grouped.length === 0) return 'pruned';
  const attention = linearsBeforeMixing(unit, tokens);
  return grouped.some(({ linear }) => attention.has(linear.name)) ? 'mixed' : 'pruned';
}

/** The passes of every block while the dense model is measured for an allocation; none where no windows are. */
export function measuringPlans(run: PreparedRun): BlockPasses[] {
  const { model, calibration, allocation } = run;
  if (!calibration || allocation.windows === 0) return [];
  return model.blocks.map((block) => measuringPlan(run, block, calibration.sequenceLength));
}

/** The passes of a block, or of one of its experts, while the dense model is measured. */
export function measuringPlan(run: PreparedRun, unit: BlockDescription, tokens: number): BlockPasses {
  const measured = unitLayers(run, unit).filter(({ shares }) => shares);
  // Nothing is pruned between the passes, so that each product is computed once.
  return planPasses(unit, tokens, new Set(measured.map(({ linear }) => linear.name)), 'pruned');
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
