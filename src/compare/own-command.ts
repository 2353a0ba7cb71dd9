/**
 * secateur as a process of its own, so that the memory of one run is not that of another.
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { InterruptedError, RequestError, RunError } from '../errors.js';
import { packageRoot } from '../package-root.js';
import { STOPS_UNREAD } from './stops-unread.js';

const MAIN = fileURLToPath(new URL('dist/cli/main.js', packageRoot));

export interface CommandOptions {
  /** Told every line that is meant for people. */
  readonly onLine: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs a command with `--json` and gives its document. The terminal's signals don't reach its process: each that asks this one to
 * stop is passed on, once.
 *
 * @throws RequestError or RunError with the command's own message; InterruptedError when it was stopped
 */
export async function runOwnCommand(args: readonly string[], options: CommandOptions): Promise<unknown> {
  const { onLine, signal } = options;
  signal?.throwIfAborted();
  const child = spawn(process.execPath, [MAIN, ...args, '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    // It outlives this process otherwise, should that be killed.
    env: { ...process.env, [STOPS_UNREAD]: '1' },
  });
  const passing = passSignals(child, signal);
  try {
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    createInterface(child.stderr).on('line', (line) => {
      // Nobody is there to read it.
      if (!passing.hungUp) onLine(line);
    });
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', resolve);
    });
    signal?.throwIfAborted();
    const document = parsed(text);
    if (code === 0 && document !== undefined) return document;
    const { message = `secateur ${args[0]} ended with ${code ?? 'a signal'}` } =
      (document as { error?: { message?: string } } | undefined)?.error ?? {};
    if (code === 130 || code === 143) throw new InterruptedError(message);
    throw code === 2 ? new RequestError(message) : new RunError(message);
  } finally {
    passing.end();
  }
}

/** Those of the calls that are under way. */
const ownListeners = new Set<(name: NodeJS.Signals) => void>();

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

interface PassingSignals {
  /** Whether the terminal is gone. */
  readonly hungUp: boolean;
  /** To be called when the child has ended. This process ends by the signal that came meanwhile and that nobody else listens to. */
  end(): void;
}

/** The first makes the child finish the tensor that it is at, so that it can go on later; the second ends it at once. */
function passSignals(child: ChildProcess, signal: AbortSignal | undefined): PassingSignals {
  let endedBy: NodeJS.Signals | undefined;
  const stop = () => child.kill('SIGTERM');
  signal?.addEventListener('abort', stop);
  const listener = (name: NodeJS.Signals) => {
    // A terminal may hang up twice, as its shell and the kernel do.
    if (name === 'SIGHUP' && endedBy === name) return;
    const isOurs = (each: unknown) => ownListeners.has(each as typeof listener);
    if (process.listeners(name).every(isOurs)) endedBy = name;
    // Who else listens aborts at the first, and ends this process at the second.
    if (endedBy || signal?.aborted) stop();
  };
  ownListeners.add(listener);
  for (const name of SIGNALS) process.prependListener(name, listener);
  return {
    get hungUp() {
      return endedBy === 'SIGHUP';
    },
    end() {
      signal?.removeEventListener('abort', stop);
      for (const name of SIGNALS) process.off(name, listener);
      ownListeners.delete(listener);
      if (endedBy) process.kill(process.pid, endedBy);
    },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
