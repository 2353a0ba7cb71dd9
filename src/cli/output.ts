/**
 * Where a command's result goes.
 * @module
 */
import type { CliContext } from './cli-context.js';
import type { Colours } from './colours.js';

/** With `--json`, the one JSON document on stdout and the words on stderr; otherwise the words on stdout. */
export function printResult(context: CliContext, json: boolean, result: unknown, words: string): void {
  if (json) {
    context.stderr.write(`${words}\n`);
    context.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  } else {
    context.stdout.write(`${words}\n`);
  }
}

/** Notes as lines after a result, a blank line before the first. */
export function noteLines(notes: readonly string[], colours: Colours): string[] {
  return notes.map((note, i) => `${i === 0 ? '\n' : ''}${colours.yellow('note:')} ${note}`);
}
