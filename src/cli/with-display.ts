/**
 * Running a command's work with its progress shown and signals heard.
 * @module
 */
import type { ProgressListener } from '../pipeline/progress/progress.js';
import type { CliContext } from './cli-context.js';
import { type StopSignal, withInterruption } from './interruption.js';
import { openProgressDisplay } from './progress/open-progress-display.js';

export interface DisplayOptions {
  /** Message of the error that interrupted work ends with. */
  readonly message: string;
  /** What people are told at the first signal. */
  readonly onFirst: (signal: StopSignal) => string;
}

/** Words for work that leaves nothing behind when it is stopped, but for what it has downloaded. */
export const STOPPING: DisplayOptions = {
  message: 'interrupted; what was downloaded is kept, and nothing else was done',
  onFirst: (signal) => `${signal}: stopping. Once more to stop at once.`,
};

/**
 * Shows on stderr what `work` tells of its progress; the terminal is given back before anything else is printed.
 * @throws whatever `work` throws; InterruptedError when it stopped for a signal
 */
export async function withDisplay<T>(
  context: CliContext,
  { message, onFirst }: DisplayOptions,
  work: (shown: { readonly onProgress: ProgressListener; readonly signal: AbortSignal }) => Promise<T>,
): Promise<T> {
  const display = openProgressDisplay(context);
  try {
    return await withInterruption(
      {
        signals: context.signals,
        message,
        onFirst: (signal) => display.message(onFirst(signal)),
        onSecond: (code) => {
          display.close();
          context.exit(code);
        },
      },
      (signal) => work({ onProgress: display.listener, signal }),
    );
  } finally {
    display.close();
  }
}
