/**
 * A limit on how long something that a checkpoint's files decide may compute.
 * @module
 */
import { createContext, Script } from 'node:vm';

/** `withinCpuTime` gave up. */
export class CpuTimeError extends Error {}

/** Only the name `body`, so that a script can call it; no code of a file is ever run here. */
const context = createContext({ body: undefined }) as { body: (() => void) | undefined };
const script = new Script('body()');

/** Most times that the wait is doubled for a process that the machine left without its share of time. */
const maximumWaits = 6;

/**
 * Runs `body`, which doesn't wait for anything, and gives up when it has computed for `milliseconds`: also inside a
 * regular expression. It may be run again from the start when the machine was busy with others; its effects up to the
 * moment it was stopped stay.
 * @throws CpuTimeError when the time is up; what `body` throws otherwise
 */
export function withinCpuTime<T>(milliseconds: number, body: () => T): T {
  for (let wait = 1; ; wait *= 2) {
    const before = process.cpuUsage();
    try {
      let result: T | undefined;
      context.body = () => {
        result = body();
      };
      script.runInContext(context as object, { timeout: Math.ceil(milliseconds * wait) });
      return result as T;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
      const { user, system } = process.cpuUsage(before);
      const used = (user + system) / 1000;
      // Half, since the clocks are not the same and other threads' work is counted.
      if (used >= milliseconds / 2 || wait >= 2 ** maximumWaits)
        throw new CpuTimeError(
          `it computed for ${(Math.max(used, milliseconds) / 1000).toFixed(1)} s without an end`,
          {
            cause: error,
          },
        );
    } finally {
      context.body = undefined;
    }
  }
}
