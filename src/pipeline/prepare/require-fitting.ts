/**
 * Whether what a run asks for goes together.
 * @module
 */
import type { RunConfig } from '../../config/run-schema.js';
import { RequestError } from '../../errors.js';
import type { ModelDescription } from '../../model/description.js';
import type { BoundMethod } from '../methods/method.js';

/** @throws RequestError for what doesn't go together */
export function requireFitting({ prune }: RunConfig, method: BoundMethod, recovery: number): void {
  if (recovery > 0 && method.statistics !== 'gram') {
    throw new RequestError(
      `calibration.recovery: ${method.name} solves with no Gram matrix; take sparsegpt, thanos, admm, alps or loss_change, or prune.update least_squares or admm`,
    );
  }
  const rounds = method.optimisations.find(({ pruned }) => pruned === 'in rounds');
  if (!rounds) return;
  const after = [prune.refine.name, prune.update.name].find((name) => name !== 'none' && name !== 'regional');
  if (recovery > 0 || after !== undefined) {
    const what = after ?? 'calibration.recovery';
    throw new RequestError(
      `${prune.method} with ${what}: what its rounds make of the weights would be lost; set prune.options.rounds to 0`,
    );
  }
  if (rounds.regrow && prune.existing_zeros === 'keep') {
    throw new RequestError(
      'prune.existing_zeros keep: with prune.options.regrow weights that are zero get a value; leave one of them out',
    );
  }
}

/** @throws RequestError for what isn't done with blocks that have experts */
export function requireFittingExperts(
  { calibration }: RunConfig,
  { blocks, family }: ModelDescription,
  method: BoundMethod,
): void {
  if (!blocks.some(({ experts }) => experts)) return;
  if (method.gradients && calibration?.experts.fallback === 'all_tokens') {
    throw new RequestError(
      `calibration.experts.fallback: ${method.name} learns from gradients, and those of an expert are of the tokens ` +
        'that go to it; take magnitude or error, not all_tokens',
    );
  }
  const asked = [
    ...(calibration && calibration.recovery > 0 ? ['calibration.recovery'] : []),
    ...(method.loss ? ['measured losses'] : []),
    ...(method.gradients?.of === 'output norm' ? ['gradients of each block'] : []),
    ...(method.optimisations.length > 0 ? ['regional optimisation'] : []),
  ];
  if (asked.length === 0) return;
  throw new RequestError(
    `${asked.join(' and ')}: not for models with experts (${family}); take another method, or leave it out`,
  );
}
