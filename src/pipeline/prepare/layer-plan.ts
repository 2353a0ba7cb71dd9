/**
 * What every linear of the model is to become.
 * @module
 */
import { matchesName } from '../../config/match-name.js';
import type { PruneConfig, PruneRule } from '../../config/run-schema.js';
import { RequestError } from '../../errors.js';
import {
  type BlockDescription,
  type LinearDescription,
  type ModelDescription,
  unitsOf,
  weightName,
} from '../../model/description.js';
import { nameSome } from '../../name-some.js';
import { checkPattern, type Pattern, parsePattern } from '../../sparsity/pattern.js';

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
 * @throws RequestError naming the linear whose input size doesn't fit its pattern, or a rule that matches nothing or decides nothing
 */
export function planLayers(model: ModelDescription, prune: PruneConfig): LayerPlan[] {
  const deciding = new Map<string, PruneRule>();
  const plan = model.blocks.flatMap((block, index) =>
    unitsOf(block).flatMap((unit) =>
      unit.linears.map((linear): LayerPlan => {
        const name = linearName(unit, linear);
        const rule = prune.rules.find(({ match }) => matchesName(match, name));
        if (rule) deciding.set(name, rule);
        const pattern = patternOf(rule ?? prune);
        if (pattern !== 'dense') checkPattern(pattern, name, linear.in);
        return { name, block: index, unit, linear, pattern, shares: rule === undefined };
      }),
    ),
  );
  const names = plan.map(({ name }) => name);
  const used = new Set(deciding.values());
  for (const rule of prune.rules)
    if (!used.has(rule)) throw new RequestError(uselessRule(rule, names, deciding));
  return plan;
}

/** @param deciding the rule of each linear that one speaks of */
function uselessRule(
  { match }: PruneRule,
  names: readonly string[],
  deciding: ReadonlyMap<string, PruneRule>,
): string {
  const matched = names.filter((name) => matchesName(match, name));
  if (matched.length === 0) {
    return `prune.rules: ${match} matches no linear; they are named ${names[0]} … ${names.at(-1)}`;
  }
  const before = new Set(matched.map((name) => deciding.get(name)));
  const globs = nameSome([...before].flatMap((rule) => rule?.match ?? []));
  return (
    `prune.rules: ${match} decides nothing: the first rule that matches a linear counts, and every one that it matches ` +
    `goes to a rule before it (${globs}); put the more special rule first, or leave it out`
  );
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
