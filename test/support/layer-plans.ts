/** What runs plan for the linears of a model. @module */
import type { ModelDescription } from '../../src/model/description.js';
import type { LayerPlan } from '../../src/pipeline/prepare/layer-plan.js';

/** Every linear loses half of its weights, but for those that stay dense. */
export function layerPlans(
  { blocks }: ModelDescription,
  staysDense: (linear: string) => boolean = () => false,
): LayerPlan[] {
  return blocks.flatMap((unit, block) =>
    unit.linears.map(
      (linear): LayerPlan => ({
        name: unit.prefix + linear.name,
        block,
        unit,
        linear,
        pattern: staysDense(linear.name) ? 'dense' : { kind: 'unstructured', sparsity: 0.5 },
        shares: true,
      }),
    ),
  );
}
