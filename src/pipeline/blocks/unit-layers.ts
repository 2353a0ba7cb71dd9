/**
 * The plans of the linears of a block, or of one of its experts.
 * @module
 */
import { groupBy } from '../../group-by.js';
import type { BlockDescription, LinearDescription } from '../../model/description.js';
import type { LayerPlan } from '../prepare/layer-plan.js';

type Planned = { readonly layers: readonly LayerPlan[] };

/** Of plans that were asked for before, since every unit of a model with many experts is asked for many times. */
const known = new WeakMap<readonly LayerPlan[], ReadonlyMap<BlockDescription, readonly LayerPlan[]>>();

/** In order; none for a unit of another model. */
export function unitLayers({ layers }: Planned, unit: BlockDescription): readonly LayerPlan[] {
  let units = known.get(layers);
  if (!units) {
    units = groupBy(layers, ({ unit }) => unit);
    known.set(layers, units);
  }
  return units.get(unit) ?? [];
}

/** Those that are pruned. */
export function prunedLinears(run: Planned, unit: BlockDescription): LinearDescription[] {
  return unitLayers(run, unit)
    .filter(({ pattern }) => pattern !== 'dense')
    .map(({ linear }) => linear);
}
