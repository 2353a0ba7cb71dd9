/**
 * The worker threads in which all heavy work happens.
 * @module
 */
import { availableParallelism } from 'node:os';
import pLimit, { type LimitFunction } from 'p-limit';
import { Piscina } from 'piscina';
import { RequestError, RunError, SecateurError } from '../errors.js';
import { packageRoot } from '../package-root.js';
import { OpenSessions, type WorkerPoolData } from './open-sessions.js';

/** `dist/`, from where workers load their tasks whether the main thread runs from `src/` or `dist/`. */
const compiledRoot = new URL('dist/', packageRoot);

export const AUTO_WORKERS_LIMIT = 16;

/** Worker threads for `resources.workers: auto`. */
export function automaticWorkers(): number {
  return Math.min(availableParallelism(), AUTO_WORKERS_LIMIT);
}

export class WorkerPool {
  readonly size: number;
  /** After whose abort no worker is given a task any more; those under way, and one that waits for each, end as they would. */
  readonly signal: AbortSignal | undefined;
  readonly #pool: Piscina;
  /** A task for every worker and one that waits for each; what else is asked for isn't begun until then. */
  readonly #queued: LimitFunction;
  readonly #sessions = new OpenSessions();
  /** Why no worker is left to do anything. */
  #failure: Error | undefined;
  #closing = false;
  /** When the threads that were told to end have done so; until then they may use memory that tasks were given. */
  #ended: Promise<void> = Promise.resolve();

  constructor(size: number, signal?: AbortSignal) {
    this.size = size;
    this.signal = signal;
    this.#queued = pLimit(size * 2);
    this.#pool = new Piscina({
      minThreads: size,
      maxThreads: size,
      concurrentTasksPerWorker: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      // A worker's event loop turns between tasks, so that what goes wrong beside one is told at once.
      atomics: 'disabled',
      filename: new URL('runtime/warm-up-task.js', compiledRoot).href,
      workerData: { sessions: this.#sessions.buffer } satisfies WorkerPoolData,
    });
    // A worker that dies without a task, and workers that can't be started, would leave all other tasks waiting.
    this.#pool.on('error', (error: Error) => this.#fail(error));
    this.#pool.on('workerDestroy', () => {
      queueMicrotask(() => {
        if (this.#pool.threads.length === 0) this.#fail(new Error('no worker thread could be started'));
      });
    });
  }

  /** Waits until every worker has started. */
  async ready(): Promise<void> {
    try {
      await settle(Array.from({ length: this.size }, () => this.#pool.run(null)));
    } catch (error) {
      await this.#ended;
      throw asRunError(this.#failure ?? error, 'runtime/warm-up-task');
    }
  }

  /**
   * Runs an exported function of a task module in the next free worker.
   *
   * @param module path below `src/`, without extension: `forward/window-task`
   * @param task the function, exported by that module under its own name; arguments and result are cloned
   * @throws RunError when the worker dies or runs out of memory, or all have to end, once they have; what the task throws
   * otherwise; the reason of the pool's signal once it is aborted
   */
  async run<Arguments, Result>(
    module: string,
    task: (args: Arguments) => Result | Promise<Result>,
    args: Arguments,
  ): Promise<Awaited<Result>> {
    return await this.#queued(() => this.#start(module, task, args));
  }

  /**
   * Runs the task once for each of `list`, and returns the results in the order of the list. After a failure no further
   * one is begun, and those under way are waited for.
   */
  async map<Arguments, Result>(
    module: string,
    task: (args: Arguments) => Result | Promise<Result>,
    list: readonly Arguments[],
    onDone: (index: number) => void = () => {},
  ): Promise<Awaited<Result>[]> {
    const results: Awaited<Result>[] = Array(list.length);
    await visitAll([...list.entries()], this.#queued, async ([index, args]) => {
      results[index] = await this.#start(module, task, args);
      onDone(index);
    });
    return results;
  }

  /**
   * Calls `visit` for each item so that every worker is busy and has a task waiting, and no more; for long lists
   * that can be stopped. After a failure no further item is visited, and those under way are waited for.
   *
   * @param atOnce items that are visited at the same time, at most; fewer where one is work for several workers
   */
  async forEach<Item>(
    list: readonly Item[],
    visit: (item: Item) => Promise<void>,
    atOnce: number = this.size * 2,
  ): Promise<void> {
    await visitAll(list, pLimit(atOnce), visit);
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#ended = this.#ended.then(() => this.#pool.destroy());
    await this.#ended;
    this.#sessions.releaseAll();
  }

  async #start<Arguments, Result>(
    module: string,
    task: (args: Arguments) => Result | Promise<Result>,
    args: Arguments,
  ): Promise<Awaited<Result>> {
    this.signal?.throwIfAborted();
    try {
      if (this.#failure) throw this.#failure;
      if (this.#closing) throw new Error('the pool is closed');
      return await this.#pool.run(args, {
        filename: new URL(`${module}.js`, compiledRoot).href,
        name: task.name,
      });
    } catch (error) {
      await this.#ended;
      throw asRunError(this.#failure ?? error, module);
    }
  }

  /** Lets every task that waits fail. */
  #fail(error: Error): void {
    if (this.#closing || this.#failure) return;
    this.#failure = error;
    this.#ended = this.#pool.destroy();
  }
}

async function visitAll<Item>(
  list: readonly Item[],
  limit: LimitFunction,
  visit: (item: Item) => Promise<void>,
): Promise<void> {
  let failed = false;
  await settle(
    list.map((item) =>
      limit(async () => {
        if (failed) return;
        try {
          await visit(item);
        } catch (error) {
          failed = true;
          throw error;
        }
      }),
    ),
  );
}

/** Waits for all, then throws the first failure: nothing may still write into memory that is about to be freed. */
export async function settle<T>(promises: readonly Promise<T>[]): Promise<Awaited<T>[]> {
  const outcomes = await Promise.allSettled(promises);
  return outcomes.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
}

const OUR_ERRORS = { RunError, RequestError } as const;

/** Errors lose their class and name on the way out of a worker, but not their stack; this gives ours back. */
function asRunError(error: unknown, module: string): Error {
  if (error instanceof SecateurError) return error;
  const { message, stack = '' } = error as Error;
  const name = /^(RunError|RequestError): /.exec(stack)?.[1] as keyof typeof OUR_ERRORS | undefined;
  if (name) return new OUR_ERRORS[name](message, { cause: error });
  const outOfMemory = (error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY';
  const advice = outOfMemory ? '; NODE_OPTIONS=--max-old-space-size=… (in MB) gives it more' : '';
  return new RunError(`a worker thread failed in ${module}: ${message}${advice}`, { cause: error });
}
