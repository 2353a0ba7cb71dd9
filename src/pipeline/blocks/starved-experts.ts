/**
 * Experts that get too few tokens for what the method learns, and what the run file has for them.
 * @module
 */
import { RunError } from '../../errors.js';
import type { BlockDescription } from '../../model/description.js';
import { bindMethod } from '../methods/bind-method.js';
import type { BoundMethod } from '../methods/method.js';
import type { PreparedRun } from '../prepare/prepare-run.js';
import { prunedLinears } from './unit-layers.js';

export type Fallback = 'magnitude' | 'all_tokens';

/** Tokens that go to an expert, of some windows. */
export interface ExpertTokens {
  readonly tokens: number;
  /** Of what: `96 calibration windows`. */
  readonly of: string;
}

/** Whether too few tokens go to an expert for what is measured on them to count. */
export function isStarved({ config: { calibration } }: PreparedRun, tokens: number): boolean {
  return calibration !== undefined && tokens < calibration.experts.minimum_tokens;
}

/**
 * What the run file has for an expert that too few tokens go to; undefined where they are enough, or where none of its linears
 * is pruned.
 *
 * @throws RunError naming the expert where the run file has nothing for it
 */
export function fallbackOf(
  run: PreparedRun,
  unit: BlockDescription,
  expert: ExpertTokens,
): Fallback | undefined {
  const { experts } = run.config.calibration ?? {};
  if (!experts || !isStarved(run, expert.tokens)) return undefined;
  if (prunedLinears(run, unit).length === 0) return undefined;
  if (experts.fallback !== 'error') return experts.fallback;
  throw new RunError(
    `${got(unit, expert)}, and calibration.experts.minimum_tokens is ${experts.minimum_tokens}; take more samples, ` +
      `or set calibration.experts.fallback: ${run.method.gradients ? '' : 'all_tokens or '}magnitude`,
  );
}

const NOTES: Readonly<Record<Fallback, string>> = {
  magnitude: 'pruned by magnitude',
  all_tokens: 'measured on all tokens',
};

/** What a report says of an expert that gets too few tokens. */
export function fallbackNote(
  { config }: PreparedRun,
  unit: BlockDescription,
  expert: ExpertTokens,
  fallback: Fallback,
): string {
  const least = config.calibration?.experts.minimum_tokens;
  return `${got(unit, expert)}, fewer than ${least}: ${NOTES[fallback]}`;
}

function got({ prefix }: BlockDescription, { tokens, of }: ExpertTokens): string {
  return `${prefix.replace(/\.$/, '')} gets ${tokens} tokens of ${of}`;
}

/** Tokens that go to an expert in the windows that gradients are taken over. */
export function gradientTokensOf({ gradients }: PreparedRun, tokens: number): ExpertTokens {
  return { tokens, of: `${gradients?.windows} windows that gradients are taken over` };
}

/** The method of experts that the one asked for learns too little of. */
export function byMagnitude({ config: { prune } }: PreparedRun): BoundMethod {
  return bindMethod({
    ...prune,
    method: 'magnitude',
    options: { scope: 'tensor' },
    refine: { name: 'none' },
    update: { name: 'none' },
  });
}
