/**
 * The plans of the linears of a block, or of one of its experts.
 * @module
 */
import type { BlockDescription, LinearDescription } from '../model/description.js';
import type { LayerPlan } from './layer-plan.js';

type Planned = { readonly layers: readonly LayerPlan[] };

/** Of plans that were asked for before, since every unit of a model with many experts is asked for many times. */
const known = new WeakMap<readonly LayerPlan[], ReadonlyMap<BlockDescription, readonly LayerPlan[]>>();

export function unitLayers({ layers }: Planned, unit: BlockDescription): readonly LayerPlan[] {
  let units = known.get(layers);
  if (!units) {
    const grouped = new Map<BlockDescription, LayerPlan[]>();
    for (const layer of layers) {
      const own = grouped.get(layer.unit);
      if (own) own.push(layer);
      else grouped.set(layer.unit, [layer]);
    }
    units = grouped;
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
