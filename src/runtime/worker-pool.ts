/**
 * The worker threads in which all heavy work happens.
 * @module
 */
import { availableParallelism } from 'node:os';
import pLimit from 'p-limit';
import { Piscina } from 'piscina';
import { RunError, SecateurError } from '../errors.js';
import { keepReserve } from '../system/native-memory.js';

/** `dist/`, from where workers load their tasks whether the main thread runs from `src/` or `dist/`. */
const compiledRoot = new URL('../../dist/', import.meta.url);

export const AUTO_WORKERS_LIMIT = 16;

/** Worker threads for `resources.workers: auto`. */
export function automaticWorkers(): number {
  return Math.min(availableParallelism(), AUTO_WORKERS_LIMIT);
}

export class WorkerPool {
  readonly size: number;
  readonly #pool: Piscina;

  constructor(size: number) {
    this.size = size;
    keepReserve();
    this.#pool = new Piscina({
      minThreads: size,
      maxThreads: size,
      concurrentTasksPerWorker: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      filename: new URL('runtime/warm-up-task.js', compiledRoot).href,
    });
  }

  /** Waits until every worker has started. */
  async ready(): Promise<void> {
    await settle(Array.from({ length: this.size }, () => this.#pool.run(null)));
  }

  /** Waits until every worker has started. */
  async ready(): Promise<void> {
    await settle(Array.from({ length: this.size }, () => this.#pool.run(null)));
  }

  /**
   * Runs an exported function of a task module in the next free worker.
   *
   * @param module path below `src/`, without extension: `forward/window-task`
   * @param task the function, exported by that module under its own name; arguments and result are cloned
   * @throws RunError when the worker dies; what the task throws otherwise
   */
  async run<Arguments, Result>(
    module: string,
    task: (args: Arguments) => Result | Promise<Result>,
    args: Arguments,
  ): Promise<Awaited<Result>> {
    try {
      return await this.#pool.run(args, {
        filename: new URL(`${module}.js`, compiledRoot).href,
        name: task.name,
      });
    } catch (error) {
      throw asRunError(error, module);
    }
  }

  /** Runs the task once for each of `list`, all at once, and returns the results in the order of the list. */
  async map<Arguments, Result>(
    module: string,
    task: (args: Arguments) => Result | Promise<Result>,
    list: readonly Arguments[],
    onDone: (index: number) => void = () => {},
  ): Promise<Awaited<Result>[]> {
    return await settle(
      list.map(async (args, index) => {
        const result: Awaited<Result> = await this.run(module, task, args);
        onDone(index);
        return result;
      }),
    );
  }

  /**
   * Calls `visit` for each item so that every worker is busy and has a task waiting, and no more; for long lists
   * that can be stopped. After a failure no further item is visited, and those under way are waited for.
   */
  async forEach<Item>(list: readonly Item[], visit: (item: Item) => Promise<void>): Promise<void> {
    const limit = pLimit(this.size * 2);
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

  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}

/** Waits for all, then throws the first failure: nothing may still write into memory that is about to be freed. */
export async function settle<T>(promises: readonly Promise<T>[]): Promise<Awaited<T>[]> {
  const outcomes = await Promise.allSettled(promises);
  return outcomes.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
}

/** Errors lose their class on the way out of a worker; this gives ours back. */
function asRunError(error: unknown, module: string): Error {
  if (error instanceof SecateurError) return error;
  const { name, message } = error as Error;
  if (name === 'RunError') return new RunError(message);
  return new RunError(`worker failed in ${module}: ${message}`, { cause: error });
}
