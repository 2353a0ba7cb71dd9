/**
 * `secateur compare`: several methods on one model.
 * @module
 */
import { Command } from 'commander';
import { comparisonFiles } from '../../compare/comparison-files.js';
import { splitOutsideBrackets } from '../../compare/split-outside-brackets.js';
import { formatBytes, formatPercent, formatPerplexityWithError, formatSeconds } from '../../report/format.js';
import type { CliContext } from '../cli-context.js';
import { displayPath } from '../display-path.js';
import { withInterruption } from '../interruption.js';
import type { CompareResult } from '../library.js';
import { repeated } from '../option-parsers.js';
import { printResult } from '../output.js';
import { table } from '../table.js';

interface Options {
  methods: string;
  patterns: string;
  set?: string[];
  fresh?: boolean;
  keep?: boolean;
  json?: boolean;
}

/** The command, bound to `context`. */
export function compareCommand(context: CliContext): Command {
  return new Command('compare')
    .description('prune a model by several methods, evaluate each result, and put the figures side by side')
    .argument('<run.yaml>', 'the run file; its output becomes the folder of all runs')
    .requiredOption(
      '--methods <a,b>',
      'methods; what follows one after +, an allocation after @, options in brackets: wanda+dsnot, alps@owl, "obd[hessian=fisher]"',
    )
    .requiredOption('--patterns <a,b>', 'goals: N:M patterns or fractions of the weights')
    .option('--set <key.path=value>', 'override a key of the run file (repeatable)', repeated)
    .option('--fresh', 'measure anew what is asked for, instead of taking it from an earlier comparison')
    .option('--keep', 'keep the pruned checkpoints; otherwise each goes once it is evaluated')
    .option('--json', 'print the result as one JSON document on stdout')
    .action(async (runFile: string, options: Options) => {
      const { compare } = await context.loadLibrary();
      const result = await withInterruption(
        {
          signals: context.signals,
          message: `interrupted; run the same command again${options.fresh ? ' without --fresh' : ''} to go on from here`,
          onFirst: (signal) => context.stderr.write(`${signal}: stopping. Once more to stop at once.\n`),
          onSecond: (code) => context.exit(code),
        },
        (signal) =>
          compare(runFile, {
            methods: listed(options.methods),
            goals: listed(options.patterns),
            set: options.set ?? [],
            fresh: options.fresh ?? false,
            keep: options.keep ?? false,
            onLine: (line) => context.stderr.write(`${line}\n`),
            signal,
          }),
      );
      printResult(context, options.json ?? false, result, compareWords(result, context.cwd));
    });
}

function listed(text: string): string[] {
  return splitOutsideBrackets(text, ',').map((part) => part.trim());
}

/** The table, and where the page is. */
export function compareWords({ output, comparison }: CompareResult, cwd: string): string {
  const { rows, dense } = comparison;
  const columns = [
    { title: 'method' },
    { title: 'goal' },
    { title: 'sparsity', align: 'right' },
    { title: 'perplexity', align: 'right' },
    { title: 'pruning', align: 'right' },
    { title: 'peak memory', align: 'right' },
  ] as const;
  const cells = rows.map((row) => [
    row.method,
    row.goal,
    formatPercent(row.sparsity, 2),
    formatPerplexityWithError(row.perplexity, row.standard_error),
    formatSeconds(row.seconds),
    formatBytes(row.peak_rss_bytes),
  ]);
  const first = ['dense', '', '', formatPerplexityWithError(dense.perplexity, dense.standard_error), '', ''];
  return [table(columns, [first, ...cells]), '', `  ${displayPath(comparisonFiles(output).html, cwd)}`].join(
    '\n',
  );
}
