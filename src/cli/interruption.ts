/**
 * SIGINT and SIGTERM: the first asks for a clean stop, the second ends the process.
 * @module
 */
import { InterruptedError } from '../errors.js';

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

export type StopSignal = keyof typeof EXIT_CODES;

/** The part of `process` that delivers signals. */
export interface SignalSource {
  on(signal: StopSignal, listener: (signal: StopSignal) => void): unknown;
  off(signal: StopSignal, listener: (signal: StopSignal) => void): unknown;
}

export interface InterruptionOptions {
  readonly signals: SignalSource;
  /** Message of the error that a stopped `work` ends with. */
  readonly message: string;
  /** Called at the first signal, to tell people what happens now. */
  readonly onFirst: (signal: StopSignal) => void;
  /** Called at the second signal; is expected to end the process. */
  readonly onSecond: (exitCode: number) => void;
}

/**
 * Runs `work` with an `AbortSignal` that the first SIGINT or SIGTERM aborts.
 * @throws {InterruptedError} with exit code 130 or 143 when `work` stopped because of it.
 */
export async function withInterruption<T>(
  options: InterruptionOptions,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  let interrupted: InterruptedError | undefined;
  const listener = (signal: StopSignal) => {
    if (interrupted) {
      options.onSecond(EXIT_CODES[signal]);
      return;
    }
    interrupted = new InterruptedError(options.message, EXIT_CODES[signal]);
    options.onFirst(signal);
    controller.abort(interrupted);
  };
  options.signals.on('SIGINT', listener);
  options.signals.on('SIGTERM', listener);
  try {
    return await work(controller.signal);
  } catch (error) {
    // The library may stop with an error of its own, and pools answer an abort with the platform's AbortError.
    if (
      interrupted &&
      (error instanceof InterruptedError || (error as Error | undefined)?.name === 'AbortError')
    ) {
      throw interrupted;
    }
    throw error;
  } finally {
    options.signals.off('SIGINT', listener);
    options.signals.off('SIGTERM', listener);
  }
}
