/**
 * What shows a run's progress to people, whatever the stream.
 * @module
 */
import type { ProgressListener } from '../../pipeline/progress/progress.js';

export interface ProgressDisplay {
  readonly listener: ProgressListener;
  /** Prints a line without disturbing what is drawn. */
  message(text: string): void;
  /** Removes what is drawn and gives the terminal back. Safe to call twice. */
  close(): void;
}
