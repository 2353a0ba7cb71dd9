/**
 * Child processes: with their output in a file, a time limit, and an end when this process is told to end.
 * @module
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const measureScript = fileURLToPath(new URL('measure.py', import.meta.url));

/** Characters of a failed process's log that its error quotes. */
const QUOTED = 2000;

let current;
for (const [signal, code] of Object.entries({ SIGINT: 130, SIGTERM: 143 })) {
  process.on(signal, () => {
    current?.kill('SIGTERM');
    process.exit(code);
  });
}

function lastWords(file) {
  const text = readFileSync(file, 'utf8').trimEnd();
  return text.length > QUOTED ? `…${text.slice(-QUOTED)}` : text;
}

/**
 * Runs a command to its end.
 * @param {readonly string[]} command
 * @param {{ log: string, stdout?: string, env?: NodeJS.ProcessEnv, cwd?: string, seconds?: number }} options
 *   `log` gets stderr and, when `stdout` names no file of its own, stdout too
 * @throws {Error} with the end of the log when the command can't be started, fails or takes too long
 */
export async function run(command, { log, stdout, env = process.env, cwd, seconds }) {
  const descriptors = [openSync(log, 'w'), ...(stdout === undefined ? [] : [openSync(stdout, 'w')])];
  const [errors, output = errors] = descriptors;
  let late = false;
  try {
    const child = spawn(command[0], command.slice(1), { stdio: ['ignore', output, errors], env, cwd });
    current = child;
    const timer =
      seconds &&
      setTimeout(() => {
        late = true;
        child.kill('SIGTERM');
      }, seconds * 1000);
    const ended = await new Promise((settle) => {
      child.on('error', (error) => settle(error.message));
      child.on('close', (code, signal) => settle(code === 0 ? undefined : (signal ?? `exit code ${code}`)));
    });
    clearTimeout(timer);
    if (late) throw new Error(`stopped after ${seconds} s; the end of its log:\n${lastWords(log)}`);
    if (ended !== undefined)
      throw new Error(`${command[0]}: ${ended}; the end of its log:\n${lastWords(log)}`);
  } finally {
    current = undefined;
    for (const descriptor of descriptors) closeSync(descriptor);
  }
}

/**
 * As {@link run}, through `measure.py`.
 * @param {string} python any Python 3.9 or newer
 * @param {readonly string[]} command
 * @param {Parameters<typeof run>[1] & { measured: string }} options `measured` is the file that `measure.py` writes
 * @returns what `measure.py` says of it
 */
export async function runMeasured(python, command, { measured, ...options }) {
  rmSync(measured, { force: true });
  await run([python, measureScript, measured, ...command], options);
  return JSON.parse(readFileSync(measured, 'utf8'));
}
