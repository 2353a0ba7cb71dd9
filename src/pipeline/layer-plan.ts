/**
 * What every linear of the model is to become.
 * @module
 */
import { matchesName } from '../config/match-name.js';
import type { PruneConfig, PruneRule } from '../config/run-schema.js';
import { RequestError } from '../errors.js';
import {
  type BlockDescription,
  type LinearDescription,
  type ModelDescription,
  unitsOf,
  weightName,
} from '../model/description.js';
import { checkPattern, type Pattern, parsePattern } from '../sparsity/pattern.js';

export interface LayerPlan {
  /** Full name without `.weight`. */
  readonly name: string;
  readonly block: number;
  /** What of the block it belongs to: the block itself, or one of its experts. */
  readonly unit: BlockDescription;
  readonly linear: LinearDescription;
  readonly pattern: Pattern | 'dense';
  /** Whether no rule says what it is to become, so that it shares the overall sparsity. */
  readonly shares: boolean;
}

/**
 * Applies the run file's goal and rules to every linear, in order of the blocks.
 *
 * @throws RequestError naming the linear whose input size doesn't fit its pattern, or a rule that matches nothing
 */
export function planLayers(model: ModelDescription, prune: PruneConfig): LayerPlan[] {
  const plan = model.blocks.flatMap((block, index) =>
    unitsOf(block).flatMap((unit) =>
      unit.linears.map((linear): LayerPlan => {
        const name = linearName(unit, linear);
        const rule = prune.rules.find(({ match }) => matchesName(match, name));
        const pattern = patternOf(rule ?? prune);
        if (pattern !== 'dense') checkPattern(pattern, name, linear.in);
        return { name, block: index, unit, linear, pattern, shares: rule === undefined };
      }),
    ),
  );
  for (const { match } of prune.rules) {
    if (!plan.some(({ name }) => matchesName(match, name))) {
      const [first, last] = [plan[0]?.name, plan.at(-1)?.name];
      throw new RequestError(`prune.rules: ${match} matches no linear; they are named ${first} … ${last}`);
    }
  }
  return plan;
}

/** Of a linear's weight in the checkpoint. */
export function layerWeightName({ unit, linear }: Pick<LayerPlan, 'unit' | 'linear'>): string {
  return weightName(unit, linear);
}

/** Full name of a linear without `.weight`. */
export function linearName(block: BlockDescription, linear: LinearDescription): string {
  return block.prefix + linear.name;
}

function patternOf(goal: PruneRule | PruneConfig): Pattern | 'dense' {
  if ('keep' in goal && goal.keep === 'dense') return 'dense';
  if (goal.pattern !== undefined) return parsePattern(goal.pattern);
  return { kind: 'unstructured', sparsity: goal.sparsity ?? 0 };
}
