/**
 * How the calibration windows of a run go through its blocks.
 * @module
 */
import type { RunConfig } from '../config/run-schema.js';
import { expertWindowTokens } from '../forward/expert-routing.js';
import { type BlockPasses, type InputsMeasured, planPasses, planWholeBlock } from '../graph/block-passes.js';
import type { BlockDescription } from '../model/description.js';
import type { PreparedRun } from './prepare-run.js';

/** The passes of every block while its linears are pruned; none where no windows are run. */
export function prunePlans(run: PreparedRun): BlockPasses[] {
  const { calibration, windows } = run;
  if (!calibration || windows === 0) return [];
  return run.model.blocks.map((block) => prunePlan(run, block, calibration.sequenceLength));
}

/** The passes of a block, or of one of its experts, while its linears are pruned. */
export function prunePlan(
  { layers, config }: PreparedRun,
  unit: BlockDescription,
  tokens: number,
): BlockPasses {
  const pruned = layers.filter((layer) => layer.unit === unit && layer.pattern !== 'dense');
  const names = new Set(pruned.map(({ linear }) => linear.name));
  return planPasses(unit, tokens, names, inputsMeasured(config));
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
export function measuringPlans(run: PreparedRun): BlockPasses[] {
  const { model, calibration, allocation } = run;
  if (!calibration || allocation.windows === 0) return [];
  return model.blocks.map((block) => measuringPlan(run, block, calibration.sequenceLength));
}

/** The passes of a block, or of one of its experts, while the dense model is measured. */
export function measuringPlan({ layers }: PreparedRun, unit: BlockDescription, tokens: number): BlockPasses {
  const measured = layers.filter((layer) => layer.unit === unit && layer.shares);
  // Nothing is pruned between the passes, so that each product is computed once.
  return planPasses(unit, tokens, new Set(measured.map(({ linear }) => linear.name)), 'pruned');
}

/** Of a window while the dense model is measured. */
export function measuringRecordBytes(run: PreparedRun): number {
  return Math.max(0, ...measuringPlans(run).map((passes) => passes.recordBytes));
}

/** What the tokens of an expert keep, where all of them may be measured for one. */
export function expertRecordsBytes(run: PreparedRun): number {
  const { calibration } = run.config;
  if (run.windows === 0 || calibration?.experts.fallback !== 'all_tokens') return 0;
  const tokens = run.windows * (run.calibration?.sequenceLength ?? 0);
  const files = run.model.blocks.flatMap(({ experts }) => {
    const [unit] = experts?.units ?? [];
    if (!experts || !unit) return [];
    const windowTokens = expertWindowTokens(experts, tokens);
    return Math.ceil(tokens / windowTokens) * prunePlan(run, unit, windowTokens).recordBytes;
  });
  return Math.max(0, ...files);
}

/** Of a calibration window. */
export function recordBytes(run: PreparedRun): number {
  const tokens = run.calibration?.sequenceLength ?? 0;
  // Blocks that an earlier run has finished are computed whole.
  const plans = [...prunePlans(run), ...run.model.blocks.map((block) => planWholeBlock(block, tokens))];
  return Math.max(...plans.map((passes) => passes.recordBytes));
}
