/**
 * `secateur prune`: the main job.
 * @module
 */
import { Command } from 'commander';
import type { CliContext } from '../cli-context.js';
import { coloursFor } from '../colours.js';
import { repeated } from '../option-parsers.js';
import { printResult } from '../output.js';
import { pruneSummary } from '../prune-summary.js';
import { withDisplay } from '../with-display.js';

interface Options {
  set?: string[];
  fresh?: boolean;
  reuse?: string;
  json?: boolean;
}

/** The command, bound to `context`. */
export function pruneCommand(context: CliContext): Command {
  return new Command('prune')
    .description('prune a model as a run file says, and write the pruned checkpoint')
    .argument('<run.yaml>', 'the run file')
    .option('--set <key.path=value>', 'override a key of the run file (repeatable)', repeated)
    .option('--fresh', 'remove what an earlier run left in the output, finished or not, and start over')
    .option(
      '--reuse <folder>',
      'where runs leave for each other what they measure of the dense model: gradients, column norms',
    )
    .option('--json', 'print the result as one JSON document on stdout')
    .action(async (runFile: string, options: Options) => {
      const { prune } = await context.loadLibrary();
      const result = await withDisplay(
        context,
        {
          message: `interrupted; run the same command again${options.fresh ? ', once a block is finished without --fresh,' : ''} to go on from here`,
          onFirst: (signal) =>
            `${signal}: finishing what is under way. The run can be resumed; once more to stop at once.`,
        },
        (shown) =>
          prune(runFile, {
            set: options.set ?? [],
            fresh: options.fresh ?? false,
            reuse: options.reuse,
            ...shown,
          }),
      );
      const json = options.json ?? false;
      const words = pruneSummary(
        result,
        context.cwd,
        coloursFor(json ? context.stderr : context.stdout, context.env),
      );
      printResult(context, json, result, words);
    });
}
