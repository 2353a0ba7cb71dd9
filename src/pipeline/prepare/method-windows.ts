/**
 * The calibration windows that a method looks at: what it asks for, with as many windows and tokens as there are.
 * @module
 */
import type { CalibrationSet } from '../../calibration/load-calibration.js';
import { RequestError } from '../../errors.js';
import type { BoundMethod, GradientNeeds, LossNeeds, RegionalOptimisation } from '../methods/method.js';

/** Calibration tokens over which the output error of a layer is measured when the method needs no Gram matrix. */
const OUTPUT_ERROR_TOKENS = 2048;

/** What each block is measured on, and optimised on, just before it is pruned. */
export interface RegionalWindows {
  /** Of each window, from its first. */
  readonly tokens: number;
  /** Of the block's own output. */
  readonly gradients: GradientNeeds | undefined;
  /** One after the other; no batch is larger than a round. */
  readonly optimisations: readonly RegionalOptimisation[];
}

/** Those that gradients of the model's cross-entropy are collected on. */
export function gradientWindows(
  { gradients }: BoundMethod,
  calibration: CalibrationSet | undefined,
): GradientNeeds | undefined {
  if (!calibration || gradients?.of !== 'cross-entropy') return undefined;
  return within(gradients, calibration);
}

/** @throws RequestError where a block would be differentiated over different numbers of tokens */
export function regionalWindows(
  { gradients, optimisations }: BoundMethod,
  calibration: CalibrationSet | undefined,
): RegionalWindows | undefined {
  if (!calibration) return undefined;
  const regional = gradients?.of === 'output norm' ? within(gradients, calibration) : undefined;
  const steps = optimisations.map((each) => {
    const taken = within(each, calibration);
    return { ...taken, batch: Math.min(taken.batch, taken.windows) };
  });
  const [tokens, ...others] = new Set([...(regional ? [regional] : []), ...steps].map((each) => each.tokens));
  if (tokens === undefined) return undefined;
  if (others.length > 0) {
    throw new RequestError(
      `prune.options.tokens and prune.update.tokens: the method is to differentiate blocks over ${tokens} tokens of a window, the update over ${others.join(', ')}; give both the same`,
    );
  }
  return { tokens, gradients: regional, optimisations: steps };
}

/** Those that losses are measured on. */
export function lossWindows(
  { loss }: BoundMethod,
  calibration: CalibrationSet | undefined,
): LossNeeds | undefined {
  return loss && calibration && within(loss, calibration);
}

/** The same for as many windows and tokens as there are. */
function within<Needs extends { readonly windows: number; readonly tokens: number }>(
  needs: Needs,
  { samples, sequenceLength }: CalibrationSet,
): Needs {
  return {
    ...needs,
    windows: Math.min(needs.windows, samples),
    tokens: Math.min(needs.tokens, sequenceLength),
  };
}

/**
 * How many calibration windows go through the model, and how many of these into Gram matrices. A method that only looks at
 * weights runs none, and its output errors aren't measured.
 */
export function windowsOf(
  method: BoundMethod,
  calibration: CalibrationSet | undefined,
): { windows: number; gramWindows: number } {
  if (!calibration || method.statistics === 'none') return { windows: 0, gramWindows: 0 };
  const { samples, sequenceLength } = calibration;
  const measured = Math.min(samples, Math.ceil(OUTPUT_ERROR_TOKENS / sequenceLength));
  return { windows: samples, gramWindows: method.statistics === 'gram' ? samples : measured };
}
