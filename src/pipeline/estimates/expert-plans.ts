/**
 * How the tokens of a model's windows go through its experts, as far as it's known before a run: evenly.
 * @module
 */
import { expertWindowTokens } from '../../forward/expert-routing.js';
import { type BlockPasses, planKey, planWholeBlock } from '../../graph/block-passes.js';
import type { BlockDescription, ModelDescription } from '../../model/description.js';
import { prunedLinears, unitLayers } from '../blocks/unit-layers.js';
import type { PreparedRun } from '../prepare/prepare-run.js';
import { measuringPlan, prunePlan } from '../prepare/prune-plans.js';

/** Experts of a block whose windows go through them alike. */
export interface ExpertPlan {
  readonly planned: BlockPasses;
  /** Windows of all of them together for a window of the block. */
  readonly share: number;
}

/** How windows go through an expert. */
export interface ExpertPlanner {
  plan(unit: BlockDescription, tokens: number): BlockPasses;
  /** The linears by which plans differ. */
  linears(unit: BlockDescription): readonly { readonly name: string }[];
}

/** @param windows that go through the model, of so many `tokens` each */
export function expertPlans(
  { blocks }: ModelDescription,
  windows: number,
  tokens: number,
  { plan, linears }: ExpertPlanner,
): ExpertPlan[] {
  return blocks.flatMap(({ experts }) => {
    if (!experts || windows === 0) return [];
    const length = expertWindowTokens(experts, windows * tokens);
    const each = (experts.perToken * tokens) / length / experts.units.length;
    const alike = new Map<string, { readonly planned: BlockPasses; share: number }>();
    for (const unit of experts.units) {
      const key = [unit.graphKey, ...linears(unit).map(({ name }) => name)].join(' ');
      const known = alike.get(key);
      if (known) known.share += each;
      else alike.set(key, { planned: plan(unit, length), share: each });
    }
    return [...alike.values()];
  });
}

/** While experts are pruned. */
export function pruningExperts(run: PreparedRun): ExpertPlan[] {
  return expertPlans(run.model, run.windows, run.calibration?.sequenceLength ?? 0, {
    plan: (unit, tokens) => prunePlan(run, unit, tokens),
    linears: (unit) => prunedLinears(run, unit),
  });
}

/** While the dense model is measured for an allocation. */
export function measuredExperts(run: PreparedRun): ExpertPlan[] {
  return expertPlans(run.model, run.allocation.windows, run.calibration?.sequenceLength ?? 0, {
    plan: (unit, tokens) => measuringPlan(run, unit, tokens),
    linears: (unit) => unitLayers(run, unit).flatMap(({ shares, linear }) => (shares ? [linear] : [])),
  });
}

/** While gradients are collected. */
export function differentiatedExperts(run: PreparedRun): ExpertPlan[] {
  const { gradients, model } = run;
  return expertPlans(model, gradients?.windows ?? 0, gradients?.tokens ?? 0, {
    plan: planWholeBlock,
    linears: (unit) => prunedLinears(run, unit),
  });
}

/** Where they are only run. @param windows that go through the model, of so many `tokens` each */
export function wholeExperts(model: ModelDescription, windows: number, tokens: number): ExpertPlan[] {
  return expertPlans(model, windows, tokens, { plan: planWholeBlock, linears: () => [] });
}

/**
 * Of a window of the model.
 *
 * @param keyOf what else than the plan the operations of an expert depend on
 */
export function expertFlops(
  plans: readonly ExpertPlan[],
  flops: (planned: BlockPasses) => number,
  keyOf: (unit: BlockDescription) => string = () => '',
): number {
  const known = new Map<string, number>();
  return plans.reduce((total, { planned, share }) => {
    const key = `${planKey(planned)} ${keyOf(planned.block)}`;
    const each = known.get(key) ?? flops(planned);
    known.set(key, each);
    return total + share * each;
  }, 0);
}
