/**
 * secateur as a process of its own, so that the memory of one run is not that of another.
 * @module
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { InterruptedError, RequestError, RunError } from '../errors.js';
import { packageRoot } from '../package-root.js';

const MAIN = fileURLToPath(new URL('dist/cli/main.js', packageRoot));

export interface CommandOptions {
  /** Told every line that is meant for people. */
  readonly onLine: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs a command with `--json` and gives its document.
 *
 * @throws RequestError or RunError with the command's own message; InterruptedError when it was stopped
 */
export async function runOwnCommand(args: readonly string[], options: CommandOptions): Promise<unknown> {
  const { onLine, signal } = options;
  signal?.throwIfAborted();
  const child = spawn(process.execPath, [MAIN, ...args, '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // It finishes the tensor that it is at, and can go on later.
  const stop = () => child.kill('SIGTERM');
  signal?.addEventListener('abort', stop);
  try {
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    createInterface(child.stderr).on('line', onLine);
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
    signal?.removeEventListener('abort', stop);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
