/**
 * What the report says of a linear.
 * @module
 */
import type { LayerReport } from '../../report/report-schema.js';
import { patternName, patternSparsity } from '../../sparsity/pattern.js';
import type { BoundMethod, MeasuredLoss, MethodOutcome } from '../methods/method.js';
import type { LayerPlan } from '../prepare/layer-plan.js';

/** What came of a linear that was written. */
export interface WrittenLinear {
  /** Of a linear that was pruned. */
  readonly outcome: MethodOutcome | undefined;
  /** In the written file. */
  readonly zeros: number;
  readonly outputError: number | null;
}

export function layerReport(
  method: BoundMethod,
  layer: LayerPlan,
  { outcome, zeros, outputError }: WrittenLinear,
): LayerReport {
  const { pattern, linear } = layer;
  const numel = linear.out * linear.in;
  return {
    name: layer.name,
    block: layer.block,
    shape: [linear.out, linear.in],
    method: pattern === 'dense' ? 'dense' : method.name,
    target: pattern === 'dense' ? 0 : patternSparsity(pattern),
    sparsity: zeros / numel,
    pattern: pattern === 'dense' ? 'dense' : patternName(pattern),
    zeros,
    numel,
    output_error: outputError,
    predicted_loss: outcome?.predictedLoss ?? null,
    ...(outcome?.measuredLoss ? { measured_loss: lossReport(outcome.measuredLoss) } : {}),
    damping: outcome?.damping ?? null,
    seconds: outcome?.seconds ?? 0,
    notes: [...(outcome?.notes ?? [])],
  };
}

function lossReport({ change, screened, measurements }: MeasuredLoss): LayerReport['measured_loss'] & object {
  return {
    change: change.mean,
    standard_error: change.standardError,
    screened_change: screened.mean,
    screened_standard_error: screened.standardError,
    measurements,
  };
}

/** What progress says of a finished block. */
export function blockSummary(layers: readonly LayerReport[]): { sparsity: number; outputError?: number } {
  const numel = layers.reduce((sum, layer) => sum + layer.numel, 0);
  const zeros = layers.reduce((sum, layer) => sum + layer.zeros, 0);
  const errors = layers.flatMap((layer) => layer.output_error ?? []);
  const sparsity = numel === 0 ? 0 : zeros / numel;
  if (errors.length === 0) return { sparsity };
  return { sparsity, outputError: errors.reduce((sum, error) => sum + error, 0) / errors.length };
}
