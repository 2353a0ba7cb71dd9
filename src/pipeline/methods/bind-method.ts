/**
 * A method as a run file asks for it: with its options, and with what follows it.
 * @module
 */
import type { PruneConfig } from '../../config/run-schema.js';
import {
  type BoundMethod,
  type GroupWork,
  type MethodOutcome,
  STATISTICS,
  type StatisticsKind,
} from './method.js';
import { methodByName, refinementByName, updateByName } from './method-registry.js';

/** One after the other: the method, the refinement of its mask, and the update of what they left. */
export function bindMethod({ method, options, refine, update, existing_zeros }: PruneConfig): BoundMethod {
  const steps = [
    { step: methodByName(method), options: options as unknown },
    ...(refine.name === 'none'
      ? []
      : [{ step: refinementByName(refine.name), options: withoutName(refine) }]),
    ...(update.name === 'none' ? [] : [{ step: updateByName(update.name), options: withoutName(update) }]),
  ];
  const [first] = steps;
  if (!first) throw new Error('no method');
  const pruneStored = steps.length === 1 ? first.step.pruneStored : undefined;
  const keepZeros = existing_zeros === 'keep';
  return {
    name: steps.map(({ step }) => step.name).join(' + '),
    statistics: mostOf(steps.map(({ step }) => step.statistics)),
    moments: steps.some(({ step }) => step.moments),
    largestGroup: first.step.largestGroup ?? Number.POSITIVE_INFINITY,
    comparesRows: first.step.comparesRows?.(first.options) ?? false,
    gradients: first.step.gradients?.(first.options),
    optimisations: steps.flatMap(({ step, options: given }) => step.optimisation?.(given) ?? []),
    loss: first.step.loss?.(first.options),
    async prune(pool, group, oneLinear) {
      const outcomes = new Map<string, MethodOutcome>();
      const linears = group.linears.map((linear) => ({ ...linear, keepZeros }));
      for (const { step, options: given } of steps) {
        for (const [name, outcome] of await step.prune(pool, { ...group, linears }, given, oneLinear)) {
          outcomes.set(name, after(outcomes.get(name), outcome));
        }
      }
      return outcomes;
    },
    pruneStored:
      pruneStored && ((pool, linear) => pruneStored(pool, { ...linear, keepZeros }, first.options)),
    work: (group) => steps.map(({ step, options: given }) => step.work(group, given)).reduce(together),
  };
}

function withoutName({ name: _, ...options }: { readonly name: string }): unknown {
  return options;
}

function mostOf(kinds: readonly StatisticsKind[]): StatisticsKind {
  return kinds.reduce((most, kind) => (STATISTICS.indexOf(kind) > STATISTICS.indexOf(most) ? kind : most));
}

/** What a linear came to in one step after another. */
function after(before: MethodOutcome | undefined, last: MethodOutcome): MethodOutcome {
  if (!before) return last;
  return {
    predictedLoss: last.predictedLoss,
    damping: last.damping ?? before.damping,
    // What was predicted and measured is of other weights than there are now.
    measuredLoss: last.measuredLoss,
    seconds: before.seconds + last.seconds,
    notes: [...before.notes, ...last.notes],
  };
}

/** Steps free their memory before the next one begins. */
function together(a: GroupWork, b: GroupWork): GroupWork {
  return {
    bytes: {
      group: Math.max(a.bytes.group, b.bytes.group),
      linears: a.bytes.linears.map((bytes, index) => Math.max(bytes, b.bytes.linears[index] ?? 0)),
      worker: Math.max(a.bytes.worker ?? 0, b.bytes.worker ?? 0),
    },
    factorFlops: a.factorFlops + b.factorFlops,
    solveFlops: a.solveFlops + b.solveFlops,
    columnFlops: a.columnFlops + b.columnFlops,
    scored: a.scored + b.scored,
    refined: a.refined + b.refined,
  };
}
