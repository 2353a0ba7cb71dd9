/**
 * `secateur report`: draws the page of a finished run again.
 * @module
 */
import { Command } from 'commander';
import type { CliContext } from '../cli-context.js';
import { displayPath } from '../display-path.js';

/** The command, bound to `context`. */
export function reportCommand(context: CliContext): Command {
  return new Command('report')
    .description('draw report.html again from report.json')
    .argument('<output>', 'the output folder of a finished run')
    .action(async (output: string) => {
      const { renderReport } = await context.loadLibrary();
      context.stdout.write(`${displayPath(await renderReport(output), context.cwd)}\n`);
    });
}
