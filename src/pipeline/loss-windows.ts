/**
 * The windows that losses are measured on, and whether measuring them is within reason.
 * @module
 */
import type { CalibrationSet } from '../calibration/load-calibration.js';
import { RequestError } from '../errors.js';
import { formatScaled } from '../report/format.js';
import { estimateLossFlops } from './estimates/estimate-flops.js';
import type { BoundMethod, LossNeeds } from './methods/method.js';
import type { PreparedRun } from './prepare-run.js';

/** What a method needs, with as many windows and tokens as there are. */
export function lossWindows(
  { loss }: BoundMethod,
  calibration: CalibrationSet | undefined,
): LossNeeds | undefined {
  if (!loss || !calibration) return undefined;
  return {
    ...loss,
    windows: Math.min(loss.windows, calibration.samples),
    tokens: Math.min(loss.tokens, calibration.sequenceLength),
  };
}

/** @throws RequestError naming the first linear with too much to measure, and what the whole run would cost */
export function requireMeasurable(run: PreparedRun): void {
  const { loss, layers } = run;
  if (!loss) return;
  for (const { name, linear, pattern } of layers) {
    const refusal = pattern === 'dense' ? undefined : loss.refusal(linear, pattern);
    if (refusal === undefined) continue;
    throw new RequestError(
      `${name}: ${refusal}; measuring all linears so would take ${formatScaled(estimateLossFlops(run), 'FLOP')}`,
    );
  }
}
