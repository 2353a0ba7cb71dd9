/**
 * What a run notes before it begins: whatever doesn't go as one would assume from the request.
 * @module
 */
import type { CalibrationSet } from '../../calibration/load-calibration.js';
import type { RunConfig } from '../../config/run-schema.js';
import type { EncodedTensors } from '../../quantization/encoded-tensors.js';
import { patternName, patternSparsity } from '../../sparsity/pattern.js';
import { MOST_SHARE, mayDiffer } from '../allocations/share-out.js';
import type { GradientNeeds } from '../methods/method.js';
import { methodByName } from '../methods/method-registry.js';
import type { BoundAllocation } from './bind-allocation.js';
import type { LayerPlan } from './layer-plan.js';
import type { RegionalWindows } from './method-windows.js';

/** @param decoded tensors of the source that are written in another encoding */
export function decodedNotes(decoded: readonly EncodedTensors[]): string[] {
  const [first] = decoded;
  if (!first) return [];
  return [
    `${decoded.length} tensors in ${first.storage} are written decoded, in BF16, without their scales, and config.json ` +
      'without quantization_config; write.dtype same keeps them as they are',
  ];
}

/** The windows that parts of a run look at. */
interface LookedAt {
  readonly calibration: CalibrationSet | undefined;
  readonly windows: number;
  readonly gramWindows: number;
  readonly gradients: GradientNeeds | undefined;
  readonly regional: RegionalWindows | undefined;
}

/** Where a part looks at less than all of the calibration windows. */
export function windowNotes({ calibration, windows, gramWindows, gradients, regional }: LookedAt): string[] {
  const length = calibration?.sequenceLength ?? 0;
  const notes: string[] = [];
  if (gramWindows < windows) {
    notes.push(
      `output errors of layers are measured on the first ${gramWindows} of ${windows} calibration windows`,
    );
  }
  if (gradients && gradients.tokens < length) {
    notes.push(
      `gradients are taken over the first ${gradients.tokens} of ${length} tokens of ` +
        `${gradients.windows} calibration windows`,
    );
  }
  if (regional && regional.tokens < length) {
    notes.push(
      `blocks are differentiated over the first ${regional.tokens} of ${length} tokens of ` +
        'calibration windows',
    );
  }
  return notes;
}

/** Where a refinement undoes what the method did to the weights that stay. */
export function refinementNotes({ prune: { method, refine, update } }: RunConfig): string[] {
  if (refine.name === 'none' || update.name !== 'none' || !methodByName(method).movesWeights) return [];
  return [
    `prune.refine ${refine.name} gives all weights that stay their dense values back: what ${method} made of them is lost; ` +
      'prune.update least_squares or admm would fit them to the new mask',
  ];
}

/** Where the goal applies to nothing, or leaves an allocation nothing to choose, so that it needn't look at anything. */
export function idleNotes(
  { prune }: RunConfig,
  { name, looks, spread }: BoundAllocation,
  layers: readonly LayerPlan[],
): string[] {
  const goal = layers.find(({ shares }) => shares)?.pattern;
  if (goal === undefined) {
    const { sparsity, pattern } = prune;
    const given =
      sparsity !== undefined ? `sparsity ${sparsity}` : pattern !== undefined ? `pattern ${pattern}` : name;
    const nothing = looks && given !== name ? `, and ${name} has nothing to share` : '';
    return [`prune.${given} applies to no linear, since rules speak of all of them${nothing}`];
  }
  if (!looks || goal === 'dense') return [];
  if (goal.kind === 'n:m') {
    const { keep, of } = goal;
    if (keep === 1 || keep === of - 1) {
      return [
        `${name} changes nothing at ${patternName(goal)}: no linear may lose none or all of a group, so that none can make up for another`,
      ];
    }
    if (mayDiffer(spread(patternSparsity(goal)), of)) return [];
    return [
      `${name} changes nothing at ${patternName(goal)}: its sparsities lie less than 1/${of} apart, so that all are rounded to the same whole number of weights`,
    ];
  }
  // A method's own cut knows no bound.
  if (prune.allocation.name === 'uniform' || goal.sparsity < MOST_SHARE) return [];
  return [
    `${name} changes nothing at ${goal.sparsity}: no linear may lose more than all together from ${MOST_SHARE} on`,
  ];
}
