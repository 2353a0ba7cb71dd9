/**
 * Which way of showing progress a stream gets.
 * @module
 */
import type { CliContext } from '../cli-context.js';
import { coloursFor } from '../colours.js';
import { ProgressBars } from './progress-bars.js';
import type { ProgressDisplay } from './progress-display.js';
import { ProgressLines } from './progress-lines.js';

/** Bars on a terminal that can move its cursor, otherwise lines; both on stderr. */
export function openProgressDisplay({ stderr, env }: Pick<CliContext, 'stderr' | 'env'>): ProgressDisplay {
  return stderr.isTTY && env.TERM !== 'dumb'
    ? new ProgressBars(stderr, coloursFor(stderr, env))
    : new ProgressLines(stderr);
}
