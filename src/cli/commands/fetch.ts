/**
 * `secateur fetch`: a model from the hub into the cache.
 * @module
 */
import { Command } from 'commander';
import { formatBytes, formatPlural } from '../../report/format.js';
import type { CliContext } from '../cli-context.js';
import { type Colours, coloursFor } from '../colours.js';
import type { FetchedModel } from '../library.js';
import { noteLines, printResult } from '../output.js';
import { withDisplay } from '../with-display.js';

/** The command, bound to `context`. */
export function fetchCommand(context: CliContext): Command {
  return new Command('fetch')
    .description('download a model from the Hugging Face hub into its cache, and print the folder')
    .argument('<org/name[@revision]>', 'the model; a branch, tag or commit after the @')
    .option('--json', 'print the result as one JSON document on stdout')
    .action(async (name: string, options: { json?: boolean }) => {
      const { fetchModel } = await context.loadLibrary();
      const result = await withDisplay(
        context,
        {
          message: 'interrupted; run the same command again to go on from here',
          onFirst: (signal) => `${signal}: stopping. What is there is kept; once more to stop at once.`,
        },
        (shown) => fetchModel(name, shown),
      );
      context.stderr.write(`${fetchWords(result, coloursFor(context.stderr, context.env))}\n`);
      printResult(context, options.json ?? false, result, result.folder);
    });
}

/** What was done; the folder itself goes to stdout, for scripts. */
export function fetchWords(result: FetchedModel, colours: Colours): string {
  const { model, commit, downloadedFiles: files, downloadedBytes: bytes, notes } = result;
  const news =
    files === 0
      ? 'everything was there'
      : `${formatPlural(files, 'file')} new, ${formatBytes(bytes)} downloaded`;
  return [`${colours.bold(model)} at ${commit}: ${news}`, ...noteLines(notes, colours)].join('\n');
}
