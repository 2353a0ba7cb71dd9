/**
 * How the tokens of a model's windows go through its experts, as far as it's known before a run: evenly.
 * @module
 */
import { expertWindowTokens } from '../../forward/expert-routing.js';
import { type BlockPasses, planKey } from '../../graph/block-passes.js';
import type { BlockDescription, ModelDescription } from '../../model/description.js';

/** The experts of a block, which are all alike. */
export interface ExpertPlan {
  readonly planned: BlockPasses;
  /** Windows of all its experts together for a window of the block. */
  readonly share: number;
}

/**
 * @param windows that go through the model, of so many `tokens` each
 * @param plan how an expert's windows go through it
 */
export function expertPlans(
  { blocks }: ModelDescription,
  windows: number,
  tokens: number,
  plan: (unit: BlockDescription, tokens: number) => BlockPasses,
): ExpertPlan[] {
  return blocks.flatMap(({ experts }) => {
    const [unit] = experts?.units ?? [];
    if (!experts || !unit || windows === 0) return [];
    const length = expertWindowTokens(experts, windows * tokens);
    return [{ planned: plan(unit, length), share: (experts.perToken * tokens) / length }];
  });
}

/** Of a window of the model. */
export function expertFlops(plans: readonly ExpertPlan[], flops: (planned: BlockPasses) => number): number {
  const known = new Map<string, number>();
  return plans.reduce((total, { planned, share }) => {
    const key = planKey(planned);
    const each = known.get(key) ?? flops(planned);
    known.set(key, each);
    return total + share * each;
  }, 0);
}
