/**
 * What is compared: a method with what follows it and an allocation, and a goal.
 * @module
 */
import type { PruneConfig, RunConfig } from '../config/run-schema.js';
import { RequestError } from '../errors.js';
import { allocations } from '../pipeline/allocations/allocation-registry.js';
import { bindMethod } from '../pipeline/methods/bind-method.js';
import {
  methodByName,
  methods,
  refinements,
  runSchema,
  updates,
} from '../pipeline/methods/method-registry.js';

export interface Variant {
  /** As it was written: `wanda+least_squares@owl`. */
  readonly method: string;
  /** As it was written: `2:4` or `0.5`. */
  readonly goal: string;
  /** Folder of its run, within the comparison's. */
  readonly folder: string;
  readonly config: RunConfig;
}

/**
 * Every method with every goal, in order: goals from the outside, methods within.
 *
 * @param methodTexts `name`, then `+` and the name of a refinement or an update for each that follows, then `@` and the name
 * of an allocation; the options of the run file's own method are kept where that method occurs, others have their defaults
 * @param goals `N:M` or a fraction
 * @throws RequestError naming what isn't known, or occurs twice
 */
export function variantsOf(
  base: RunConfig,
  methodTexts: readonly string[],
  goals: readonly string[],
): Variant[] {
  const variants = goals.flatMap((goal) =>
    methodTexts.map((method) => {
      const folder = `${method}-${goal}`
        .replaceAll(':', 'of')
        .replaceAll('++', '-plus-plus')
        .replace(/[^\w.]+/g, '-');
      const { evaluation: _, ...rest } = base;
      const config = checked(
        { ...rest, output: `${base.output}/${folder}`, prune: pruneOf(base.prune, method, goal) },
        `${method} at ${goal}`,
      );
      return { method, goal, folder, config: withFittingRecovery(config) };
    }),
  );
  const folders = variants.map(({ folder }) => folder);
  const twice = folders.find((folder, i) => folders.indexOf(folder) !== i);
  if (twice !== undefined) throw new RequestError(`${twice} is asked for twice`);
  return variants;
}

/** Without recovery where a method can't make up for anything. */
function withFittingRecovery(config: RunConfig): RunConfig {
  const { calibration, prune } = config;
  if (!calibration || bindMethod(prune).statistics === 'gram') return config;
  return { ...config, calibration: { ...calibration, recovery: 0 } };
}

function pruneOf(base: PruneConfig, text: string, goal: string): Record<string, unknown> {
  // A name may end in plus signs itself.
  const [, name = '', steps = '', allocation] =
    /^([^+@]*(?:\+\+)?)((?:\+[^+@]*)*)(?:@(.*))?$/.exec(text) ?? [];
  requireKnown('method', name, methods);
  const own: Record<string, unknown> = { refine: 'none', update: 'none' };
  for (const step of steps.split('+').slice(1)) {
    const key = refinements.some((each) => each.name === step) ? 'refine' : 'update';
    if (key === 'update') requireKnown('refinement or update', step, [...refinements, ...updates]);
    if (own[key] !== 'none')
      throw new RequestError(
        `${text}: ${own[key]} and ${step} are both ${key === 'refine' ? 'a refinement' : 'an update'}`,
      );
    own[key] = step;
  }
  if (allocation !== undefined) requireKnown('allocation', allocation, allocations);
  return {
    method: name,
    ...(/^\d+:\d+$/.test(goal) ? { pattern: goal } : { sparsity: fraction(goal) }),
    ...own,
    options: name === base.method ? withoutGoal(base) : {},
    allocation: allocation ?? base.allocation,
    existing_zeros: base.existing_zeros,
    rules: base.rules,
  };
}

/** The options without what stands in the place of a goal. */
function withoutGoal({ method, options }: PruneConfig): Record<string, unknown> {
  const { goalOption } = methodByName(method);
  return Object.fromEntries(Object.entries(options).filter(([key]) => key !== goalOption));
}

function fraction(goal: string): number {
  const value = Number(goal);
  if (goal.trim() !== '' && value >= 0 && value < 1) return value;
  throw new RequestError(`the goal ${goal} is neither N:M nor a fraction from 0 up to but not including 1`);
}

function requireKnown(kind: string, name: string, list: readonly { readonly name: string }[]): void {
  if (list.some((each) => each.name === name)) return;
  throw new RequestError(
    `${name === '' ? 'an empty name' : name} is no ${kind}; known are ${list.map((each) => each.name).join(', ')}`,
  );
}

function checked(config: unknown, what: string): RunConfig {
  const parsed = runSchema.safeParse(config);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new RequestError(`${what}: ${issue?.path.join('.')}: ${issue?.message}`);
}
