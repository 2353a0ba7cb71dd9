/**
 * `secateur eval`: perplexity of a checkpoint.
 * @module
 */
import { isAbsolute } from 'node:path';
import { Command, Option } from 'commander';
import { type BosOption, bosOptions } from '../../config/bos-option.js';
import {
  formatBytes,
  formatCount,
  formatPerplexityWithError,
  formatRatio,
  formatSeconds,
} from '../../report/format.js';
import type { CliContext } from '../cli-context.js';
import { type Colours, coloursFor } from '../colours.js';
import { displayPath } from '../display-path.js';
import type { EvaluateResult } from '../library.js';
import { positiveInteger } from '../option-parsers.js';
import { noteLines, printResult } from '../output.js';
import { facts } from '../table.js';
import { STOPPING, withDisplay } from '../with-display.js';

interface Options {
  data: string;
  field?: string;
  context: number;
  windows?: number;
  bos?: BosOption;
  baseline?: string;
  workers?: number;
  json?: boolean;
}

/** The command, bound to `context`. */
export function evalCommand(context: CliContext): Command {
  return new Command('eval')
    .description('measure the perplexity of a checkpoint')
    .argument('<checkpoint>', 'a model folder, or org/name[@revision] on the hub')
    .requiredOption('--data <file>', 'the text to measure on: a file, or hf://datasets/org/name/files')
    .option('--field <name>', 'the field or column with the text (default: text or messages)')
    .option('--context <tokens>', 'length of a window', positiveInteger, 2048)
    .option('--windows <count>', 'how many windows (default: all)', positiveInteger)
    .addOption(
      new Option(
        '--bos <when>',
        "whether windows begin with the tokenizer's BOS token (default: auto, for models that need it)",
      ).choices(bosOptions),
    )
    .option('--baseline <checkpoint>', 'a second checkpoint to compare with')
    .option('--workers <count>', 'worker threads (default: one a core, 16 at most)', positiveInteger)
    .option('--json', 'print the result as one JSON document on stdout')
    .action(async (checkpoint: string, options: Options) => {
      const { json = false, ...rest } = options;
      const { evaluate } = await context.loadLibrary();
      const result = await withDisplay(
        context,
        { ...STOPPING, message: 'interrupted; nothing was measured, and what was downloaded is kept' },
        (shown) => evaluate(checkpoint, { ...rest, ...shown }),
      );
      const colours = coloursFor(json ? context.stderr : context.stdout, context.env);
      printResult(context, json, result, evalWords(result, checkpoint, rest.baseline, context.cwd, colours));
    });
}

function displaySource(source: string, cwd: string): string {
  return isAbsolute(source) ? displayPath(source, cwd) : source;
}

/** Perplexities, then what they were measured on. */
export function evalWords(
  result: EvaluateResult,
  checkpoint: string,
  baseline: string | undefined,
  cwd: string,
  colours: Colours,
): string {
  const { perplexity, standard_error } = result.checkpoint;
  const compared = result.baseline;
  return [
    colours.bold(displayPath(checkpoint, cwd)),
    facts([
      ['perplexity', formatPerplexityWithError(perplexity, standard_error)],
      ...(compared
        ? [
            [
              'baseline',
              `${formatPerplexityWithError(compared.perplexity, compared.standard_error)}   ${displayPath(baseline ?? '', cwd)}`,
            ] as const,
            ['ratio', formatRatio(perplexity / compared.perplexity)] as const,
          ]
        : []),
      ['cross-entropy', `${result.checkpoint.cross_entropy.toFixed(4)} nats a token`],
      [
        'text',
        `${displaySource(result.data, cwd)}: ${formatCount(result.windows)} windows of ${formatCount(result.context)} tokens${result.bosTokenId === undefined ? '' : ', each beginning with BOS'}, ${formatCount(result.tokens)} predicted`,
      ],
      ['time', formatSeconds(result.seconds)],
      ['peak memory', formatBytes(result.peakRssBytes)],
    ]),
    ...noteLines(result.notes, colours),
  ].join('\n');
}
