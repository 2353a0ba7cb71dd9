/**
 * Trying again where a server or a connection failed.
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { RunError } from '../errors.js';
import type { Hub } from './hub.js';

/** Failures in a row after which it is given up. */
const ATTEMPTS = 5;
/** Longest that a server may ask us to wait; beyond it people are told instead. */
const LONGEST_WAIT_SECONDS = 120;
/** What has to arrive between two failures so that they aren't in a row; it bounds the attempts for a file of any size. */
const PROGRESS_BYTES = 1 << 20;

/** A failure that may pass. */
export class TransientError extends Error {
  /** @param retryAfter seconds that the server asked to wait */
  constructor(
    message: string,
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

/** A server failed too often in a row. */
export class GivenUpError extends RunError {}

/** Counts the failures of one piece of work. */
export class Retries {
  readonly #hub: Hub;
  readonly #what: string;
  readonly #signal: AbortSignal | undefined;
  readonly #GivenUp: typeof GivenUpError;
  #failures = 0;
  #furthest = 0;
  #furthestAtFailure = 0;

  /**
   * @param what for the message when it is given up
   * @param GivenUp what is thrown then
   */
  constructor(hub: Hub, what: string, signal: AbortSignal | undefined, GivenUp = GivenUpError) {
    this.#hub = hub;
    this.#what = what;
    this.#signal = signal;
    this.#GivenUp = GivenUp;
  }

  /** Told how far the work has come, in bytes. */
  reached(position: number): void {
    this.#furthest = Math.max(this.#furthest, position);
  }

  /**
   * Waits before the next attempt.
   * @throws the error itself unless it is a `TransientError`; GivenUpError after too many in a row; RunError when the server asks
   *   to wait longer than anybody would; the signal's reason
   */
  async after(error: unknown): Promise<void> {
    this.#signal?.throwIfAborted();
    if (!(error instanceof TransientError)) throw error;
    if (this.#furthest - this.#furthestAtFailure >= PROGRESS_BYTES) this.#failures = 0;
    this.#furthestAtFailure = this.#furthest;
    this.#failures++;
    if (this.#failures >= ATTEMPTS)
      throw new this.#GivenUp(`${this.#what}: ${error.message}, after ${ATTEMPTS} attempts`, {
        cause: error,
      });
    const { retryAfter } = error;
    if (retryAfter !== undefined && retryAfter > LONGEST_WAIT_SECONDS)
      throw new RunError(
        `${this.#what}: ${error.message}, and asks to wait for ${retryAfter} s; run the same command again then`,
        { cause: error },
      );
    const wait =
      retryAfter === undefined ? this.#hub.patience.firstWait * 2 ** (this.#failures - 1) : retryAfter * 1000;
    await sleep(wait, undefined, this.#signal ? { signal: this.#signal } : {}).catch((reason: unknown) => {
      this.#signal?.throwIfAborted();
      throw reason;
    });
  }
}
