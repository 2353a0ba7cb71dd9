/**
 * Linears that an allocation which looks at what they read learns too little of.
 * @module
 */
import { nameSome } from '../../name-some.js';
import { formatPlural } from '../../report/format.js';
import type { LayerPlan } from '../prepare/layer-plan.js';
import type { PreparedRun } from '../prepare/prepare-run.js';
import type { DenseNorms } from './allocate.js';

/** Why: its expert gets too few tokens, or all that it reads is 0, so that all of its weights would seem to be worth nothing. */
export type Unmeasured = 'starved' | 'zeros';

/** By name. @param sharing linears that share the sparsity */
export function unmeasuredLinears(
  sharing: readonly LayerPlan[],
  { columns, starved }: DenseNorms,
): ReadonlyMap<string, Unmeasured> {
  const unmeasured = new Map<string, Unmeasured>();
  for (const { name, unit } of sharing) {
    if (starved.has(unit.prefix)) unmeasured.set(name, 'starved');
    else if (columns.get(name)?.every((norm) => norm === 0)) unmeasured.set(name, 'zeros');
  }
  return unmeasured;
}

/** What a report says of them. */
export function unmeasuredNotes(
  { config, allocation: { name, windows } }: PreparedRun,
  unmeasured: ReadonlyMap<string, Unmeasured>,
): string[] {
  const least = config.calibration?.experts.minimum_tokens;
  const reasons: Readonly<Record<Unmeasured, string>> = {
    starved: `their experts get fewer than ${least} tokens (calibration.experts.minimum_tokens) of the ${windows} windows that it looks at`,
    zeros: `they read nothing but zeros in the ${windows} windows that it looks at`,
  };
  return (['starved', 'zeros'] as const).flatMap((reason) => {
    const names = [...unmeasured].flatMap(([linear, why]) => (why === reason ? [linear] : []));
    if (names.length === 0) return [];
    return [
      `${name} gives the goal itself to ${formatPlural(names.length, 'linear')}, since ${reasons[reason]}: ${nameSome(names)}`,
    ];
  });
}
