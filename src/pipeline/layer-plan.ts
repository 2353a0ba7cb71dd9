/**
 * What every linear of the model is to become.
 * @module
 */
import { matchesName } from '../config/match-name.js';
import type { PruneConfig } from '../config/run-schema.js';
import { RequestError } from '../errors.js';
import type { BlockDescription, LinearDescription, ModelDescription } from '../model/description.js';
import { checkPattern, type Pattern, parsePattern } from '../sparsity/pattern.js';

export interface LayerPlan {
  /** Full name without `.weight`. */
  readonly name: string;
  readonly block: number;
  readonly linear: LinearDescription;
  readonly pattern: Pattern | 'dense';
}

/**
 * Applies the run file's goal and rules to every linear, in order of the blocks.
 *
 * @throws RequestError naming the linear whose input size doesn't fit its pattern, or a rule that matches nothing
 */
export function planLayers(model: ModelDescription, prune: PruneConfig): LayerPlan[] {
  const plan = model.blocks.flatMap((block, index) =>
    block.linears.map((linear): LayerPlan => {
      const name = linearName(block, linear);
      const pattern = patternOf(name, prune);
      if (pattern !== 'dense') checkPattern(pattern, name, linear.in);
      return { name, block: index, linear, pattern };
    }),
  );
  for (const { match } of prune.rules) {
    if (!plan.some(({ name }) => matchesName(match, name))) {
      const [first, last] = [plan[0]?.name, plan.at(-1)?.name];
      throw new RequestError(`prune.rules: ${match} matches no linear; they are named ${first} … ${last}`);
    }
  }
  return plan;
}

/** Full name of a linear without `.weight`. */
export function linearName(block: BlockDescription, linear: LinearDescription): string {
  return block.prefix + linear.name;
}

function patternOf(name: string, prune: PruneConfig): Pattern | 'dense' {
  const goal = prune.rules.find(({ match }) => matchesName(match, name)) ?? prune;
  if ('keep' in goal && goal.keep === 'dense') return 'dense';
  if (goal.pattern !== undefined) return parsePattern(goal.pattern);
  return { kind: 'unstructured', sparsity: goal.sparsity ?? 0 };
}
