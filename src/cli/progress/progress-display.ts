/**
 * What shows a run's progress to people, whatever the stream.
 * @module
 */

import type { ProgressListener } from '../../pipeline/progress.js';
import type { CliContext } from '../cli-context.js';
import { coloursFor } from '../colours.js';
import { ProgressBars } from './progress-bars.js';
import { ProgressLines } from './progress-lines.js';

export interface ProgressDisplay {
  readonly listener: ProgressListener;
  /** Prints a line without disturbing what is drawn. */
  message(text: string): void;
  /** Removes what is drawn and gives the terminal back. Safe to call twice. */
  close(): void;
}

/** Bars on a terminal that can move its cursor, otherwise lines; both on stderr. */
export function progressDisplay({ stderr, env }: Pick<CliContext, 'stderr' | 'env'>): ProgressDisplay {
  return stderr.isTTY && env.TERM !== 'dumb'
    ? new ProgressBars(stderr, coloursFor(stderr, env))
    : new ProgressLines(stderr);
}
