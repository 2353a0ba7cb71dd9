/**
 * Whether a method takes groups as large as those of its patterns.
 * @module
 */
import { RequestError } from '../../errors.js';
import { patternName } from '../../sparsity/pattern.js';
import type { BoundMethod } from '../methods/method.js';
import type { LayerPlan } from './layer-plan.js';

/** @throws RequestError naming the first linear whose N:M pattern has a larger M than the method takes */
export function requireGroupSize(
  layers: readonly Pick<LayerPlan, 'name' | 'pattern'>[],
  { name: method, largestGroup }: Pick<BoundMethod, 'name' | 'largestGroup'>,
): void {
  for (const { name, pattern } of layers) {
    if (pattern === 'dense' || pattern.kind !== 'n:m' || pattern.of <= largestGroup) continue;
    throw new RequestError(
      `${name}: ${method} takes patterns N:M with M up to ${largestGroup}, and this one is ${patternName(pattern)}`,
    );
  }
}
