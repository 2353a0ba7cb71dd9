/**
 * The worker threads in which all heavy work happens.
 * @module
 */
import { availableParallelism } from 'node:os';
import { Piscina } from 'piscina';
import { RunError, SecateurError } from '../errors.js';

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
    this.#pool = new Piscina({
      minThreads: size,
      maxThreads: size,
      concurrentTasksPerWorker: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      filename: new URL('runtime/warm-up-task.js', compiledRoot).href,
    });
  }

  /**
   * Runs an exported function of a task module in the next free worker.
   *
   * @param module path below `src/`, without extension: `forward/propagate-task`
   * @param task the function, exported by that module under its own name; arguments and result are cloned
   * @throws RunError when the worker dies; what the task throws otherwise
   */
  async run<Arguments, Result>(
    module: string,
    task: (args: Arguments) => Result | Promise<Result>,
    args: Arguments,
  ): Promise<Awaited<Result>> {
    try {
      return await this.#pool.run(args, { filename: new URL(`${module}.js`, compiledRoot).href, name: task.name });
    } catch (error) {
      throw asRunError(error, module);
    }
  }

  /** Runs the task once for each of `list`, at most `size` at a time, and returns the results in the order of the list. */
  async map<Arguments, Result>(
    module: string,
    task: (args: Arguments) => Result | Promise<Result>,
    list: readonly Arguments[],
    onDone: (index: number) => void = () => {},
  ): Promise<Awaited<Result>[]> {
    const runs = list.map(async (args, index) => {
      const result = await this.run(module, task, args);
      onDone(index);
      return result;
    });
    const settled = await Promise.allSettled(runs);
    return settled.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value;
    });
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}

/** Errors lose their class on the way out of a worker; this gives ours back. */
function asRunError(error: unknown, module: string): Error {
  if (error instanceof SecateurError) return error;
  const { name, message } = error as Error;
  if (name === 'RunError') return new RunError(message);
  return new RunError(`worker failed in ${module}: ${message}`, { cause: error });
}
