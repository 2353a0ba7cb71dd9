/**
 * The arithmetic of a token in the linears and the head, before and after.
 * @module
 */
import { elementCount } from '../../graph/value.js';
import type { LayerReport } from '../../report/report-schema.js';
import type { PreparedRun } from '../prepare/prepare-run.js';

/**
 * Multiply-accumulates, and those of weights that aren't zero. Of experts, as many count as a token goes to, each as the mean of
 * all of its block.
 *
 * @param reports of the linears, in their order
 */
export function macsPerToken(
  { model, layers }: Pick<PreparedRun, 'model' | 'layers'>,
  reports: readonly Pick<LayerReport, 'numel' | 'zeros'>[],
): { readonly dense: number; readonly effective: number } {
  const shares = new Map(
    model.blocks.flatMap(({ experts }) =>
      experts ? experts.units.map((unit) => [unit, experts.perToken / experts.units.length] as const) : [],
    ),
  );
  let dense = elementCount(model.head.shape);
  let removed = 0;
  for (const [index, { unit }] of layers.entries()) {
    const { numel = 0, zeros = 0 } = reports[index] ?? {};
    const share = shares.get(unit) ?? 1;
    dense += share * numel;
    removed += share * zeros;
  }
  return { dense: Math.round(dense), effective: Math.round(dense - removed) };
}
