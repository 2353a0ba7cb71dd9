/**
 * Whether measuring losses is within reason.
 * @module
 */
import { RequestError } from '../../errors.js';
import { formatScaled } from '../../report/format.js';
import { estimateLossFlops } from '../estimates/estimate-flops.js';
import type { PreparedRun } from './prepare-run.js';

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
