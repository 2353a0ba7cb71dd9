/**
 * `secateur schema`: the JSON Schema of run files, for editors.
 * @module
 */
import { Command } from 'commander';
import type { CliContext } from '../cli-context.js';

/** The command, bound to `context`. */
export function schemaCommand(context: CliContext): Command {
  return new Command('schema').description('print the JSON Schema of run.yaml').action(async () => {
    const { runSchema } = await context.loadLibrary();
    context.stdout.write(`${JSON.stringify(runSchema(), null, 2)}\n`);
  });
}
