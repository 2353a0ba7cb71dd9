/**
 * The errors of a run that has begun to write: where it was, and what remains of it.
 * @module
 */
import { RequestError, RunError } from '../../errors.js';
import type { ProgressEvent, ProgressListener } from './progress.js';

/** Follows a run's progress to know what it was doing when it failed. */
export class FailureContext {
  readonly #prefixes: readonly string[];
  readonly #output: string;
  readonly #fresh: boolean;
  #stage: string | undefined;
  #block: number;
  #finished: number;
  #pruning = false;

  /**
   * @param prefixes of the blocks' names, in order
   * @param finished blocks that an earlier run wrote
   * @param fresh whether the command would throw away what is there
   */
  constructor(prefixes: readonly string[], finished: number, output: string, fresh = false) {
    this.#prefixes = prefixes;
    this.#block = finished;
    this.#finished = finished;
    this.#output = output;
    this.#fresh = fresh;
  }

  /** Passes events on. */
  listen(listener: ProgressListener): ProgressListener {
    return (event) => {
      this.#follow(event);
      listener(event);
    };
  }

  /**
   * A RunError for whatever this project threw on purpose; anything else, a mistake of ours, is returned as it is.
   */
  explain(error: unknown): unknown {
    if (!(error instanceof RequestError || error instanceof RunError)) return error;
    const { message } = error;
    const prefix = this.#prefixes[this.#block]?.replace(/\.$/, '');
    const where = [this.#stage, prefix].filter((part) => part !== undefined).join(', ');
    // What fails may be ahead of what has been told.
    const known =
      prefix === undefined || this.#prefixes.some((each) => message.includes(each.replace(/\.$/, '')));
    const total = this.#prefixes.length;
    return new RunError(
      `${where === '' || known ? '' : `${where}: `}${message}\n` +
        `${this.#finished} of ${total} blocks are finished in ${this.#output}; the same command${this.#fresh ? ' without --fresh' : ''} ` +
        'goes on from there',
      { cause: error },
    );
  }

  #follow(event: ProgressEvent): void {
    if (event.kind === 'stage') {
      this.#stage = event.stage;
      this.#pruning = event.stage === 'prune';
      this.#block = this.#pruning ? this.#finished : 0;
    } else if (event.kind === 'step') {
      this.#block = event.block;
    } else if (event.kind === 'block') {
      // Gradients go from the last block to the first.
      this.#block = event.stage === 'gradients' ? event.block : event.block + 1;
      if (this.#pruning) this.#finished = event.block + 1;
    } else if (event.kind === 'stage-end') {
      this.#stage = undefined;
      this.#block = -1;
    }
  }
}
