/**
 * `secateur prune`: the main job.
 * @module
 */
import { Command } from 'commander';
import type { CliContext } from '../cli-context.js';
import { coloursFor } from '../colours.js';
import { withInterruption } from '../interruption.js';
import { repeated } from '../option-parsers.js';
import { printResult } from '../output.js';
import { openProgressDisplay } from '../progress/open-progress-display.js';
import { pruneSummary } from '../prune-summary.js';

/** The command, bound to `context`. */
export function pruneCommand(context: CliContext): Command {
  return new Command('prune')
    .description('prune a model as a run file says, and write the pruned checkpoint')
    .argument('<run.yaml>', 'the run file')
    .option('--set <key.path=value>', 'override a key of the run file (repeatable)', repeated)
    .option('--fresh', 'start over instead of resuming an unfinished output')
    .option('--json', 'print the result as one JSON document on stdout')
    .action(async (runFile: string, options: { set?: string[]; fresh?: boolean; json?: boolean }) => {
      const { prune } = await context.loadLibrary();
      const display = openProgressDisplay(context);
      try {
        const result = await withInterruption(
          {
            signals: context.signals,
            message: 'interrupted; run the same command again to go on from here',
            onFirst: (signal) =>
              display.message(
                `${signal}: finishing the current tensor. The run can be resumed; once more to stop at once.`,
              ),
            onSecond: (code) => {
              display.close();
              context.exit(code);
            },
          },
          (signal) =>
            prune(runFile, {
              set: options.set ?? [],
              fresh: options.fresh ?? false,
              onProgress: display.listener,
              signal,
            }),
        );
        display.close();
        const json = options.json ?? false;
        const words = pruneSummary(
          result,
          context.cwd,
          coloursFor(json ? context.stderr : context.stdout, context.env),
        );
        printResult(context, json, result, words);
      } finally {
        display.close();
      }
    });
}
