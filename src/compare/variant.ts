/**
 * What is compared: a method with what follows it and an allocation, and a goal.
 * @module
 */
import { resolvePaths } from '../config/load-run-file.js';
import { applyOverride, type Override } from '../config/overrides.js';
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
import { type MethodText, type NamedPart, parseMethodText } from './method-text.js';

export interface Variant {
  /** As it was written: `wanda+least_squares@owl`. */
  readonly method: string;
  /** As it was written: `2:4` or `0.5`. */
  readonly goal: string;
  /** Folder of its run, within the comparison's. */
  readonly folder: string;
  readonly config: RunConfig;
}

export interface VariantsAsked {
  readonly methods: readonly string[];
  readonly goals: readonly string[];
  /** What relative paths in brackets are relative to. */
  readonly folder: string;
}

/**
 * Every method with every goal, in order: goals from the outside, methods within.
 *
 * @param asked methods: `name`, then `+` and the name of a refinement or an update for each that follows, then `@` and the name
 * of an allocation; behind each of them `[key=value, …]`, its options, or keys of the run file. The options of the run file's
 * own method are kept where that method occurs, others have their defaults. Goals: `N:M` or a fraction
 * @throws RequestError naming what isn't known, or occurs twice
 */
export function variantsOf(base: RunConfig, { methods, goals, folder }: VariantsAsked): Variant[] {
  const parsed = methods.map((method) => ({ method, text: parseMethodText(method) }));
  const variants = goals.flatMap((goal) =>
    parsed.map(({ method, text }) => {
      const variant = variantOf(base, method, text, goal);
      return { ...variant, config: resolvePaths(variant.config, folder) };
    }),
  );
  const folders = variants.map(({ folder }) => folder);
  const twice = folders.find((folder, i) => folders.indexOf(folder) !== i);
  if (twice !== undefined) throw new RequestError(`${twice} is asked for twice`);
  return variants;
}

/** What every variant has of a run file's `prune`, whatever method and goal it is. */
export function takenOver(prune: PruneConfig): Record<string, unknown> {
  const { method, existing_zeros, rules, allocation } = prune;
  const options = withoutGoal(prune);
  const isDefault = JSON.stringify(options) === JSON.stringify(methodByName(method).options.parse({}));
  return { existing_zeros, rules, allocation, ...(!isDefault && { method, options }) };
}

function variantOf(base: RunConfig, method: string, text: MethodText, goal: string): Variant {
  const what = `${method} at ${goal}`;
  const folder = `${method}-${goal}`
    .replaceAll(':', 'of')
    .replaceAll('++', '-plus-plus')
    .replace(/[^\w.]+/g, '-');
  const { evaluation: _, ...rest } = base;
  const output = `${base.output}/${folder}`;
  const config = withFittingRecovery(
    checked({ ...rest, output, prune: pruneOf(base.prune, method, text, goal) }, what),
  );
  const ofRun = partsOf(text).flatMap(({ overrides }) => overrides.filter(isOfRun));
  if (ofRun.length === 0) return { method, goal, folder, config };
  const changed: Record<string, unknown> = { ...config };
  for (const override of ofRun) applyOverride(changed, override);
  return { method, goal, folder, config: checked(changed, what) };
}

function partsOf({ method, steps, allocation }: MethodText): NamedPart[] {
  return [method, ...steps, ...(allocation ? [allocation] : [])];
}

/** Whether it is a key of the run file, not an option. */
function isOfRun({ path }: Override): boolean {
  return path.length > 1;
}

/** Without recovery where a method can't make up for anything. */
function withFittingRecovery(config: RunConfig): RunConfig {
  const { calibration, prune } = config;
  if (!calibration || bindMethod(prune).statistics === 'gram') return config;
  return { ...config, calibration: { ...calibration, recovery: 0 } };
}

function pruneOf(
  base: PruneConfig,
  text: string,
  { method, steps, allocation }: MethodText,
  goal: string,
): Record<string, unknown> {
  requireKnown('method', method.name, methods);
  const own: Record<'refine' | 'update', unknown> = { refine: 'none', update: 'none' };
  const names = { refine: '', update: '' };
  for (const step of steps) {
    const key = refinements.some((each) => each.name === step.name) ? 'refine' : 'update';
    if (key === 'update') requireKnown('refinement or update', step.name, [...refinements, ...updates]);
    if (names[key] !== '')
      throw new RequestError(
        `${text}: ${names[key]} and ${step.name} are both ${key === 'refine' ? 'a refinement' : 'an update'}`,
      );
    names[key] = step.name;
    own[key] = { name: step.name, ...optionsOf(step) };
  }
  if (allocation) requireKnown('allocation', allocation.name, allocations);
  return {
    method: method.name,
    ...(/^\d+:\d+$/.test(goal) ? { pattern: goal } : { sparsity: fraction(goal) }),
    ...own,
    options: optionsOf(method, method.name === base.method ? withoutGoal(base) : {}),
    allocation: allocation ? { name: allocation.name, ...optionsOf(allocation) } : base.allocation,
    existing_zeros: base.existing_zeros,
    rules: base.rules,
  };
}

function optionsOf({ overrides }: NamedPart, before: Record<string, unknown> = {}): Record<string, unknown> {
  const options = { ...before };
  for (const override of overrides) if (!isOfRun(override)) applyOverride(options, override);
  return options;
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
