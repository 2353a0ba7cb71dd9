/**
 * The errors that secateur throws on purpose. Each carries the exit code the command line ends with.
 * @module
 */

/** Base of every deliberate error; `exitCode` is what the command line returns. */
export abstract class SecateurError extends Error {
  abstract readonly exitCode: number;
  override get name(): string {
    return this.constructor.name;
  }
}

/** The request was wrong (bad YAML, missing or malformed file, impossible pattern): nothing was written. */
export class RequestError extends SecateurError {
  readonly exitCode = 2;
}

/** The request was fine and the run failed (numbers that aren't finite, a worker that died, an I/O error). */
export class RunError extends SecateurError {
  readonly exitCode = 1;
}

/** The run was stopped by its `AbortSignal`; what was written stays and can be resumed. */
export class InterruptedError extends SecateurError {
  readonly exitCode: number;
  constructor(message = 'interrupted; run the same command again to go on', exitCode = 130) {
    super(message);
    this.exitCode = exitCode;
  }
}
