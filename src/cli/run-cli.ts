/**
 * The command line: arguments in, exit code out.
 * @module
 */
import { Command, CommanderError } from 'commander';
import { InterruptedError, SecateurError } from '../errors.js';
import type { CliContext } from './cli-context.js';
import { coloursFor } from './colours.js';
import { compareCommand } from './commands/compare.js';
import { evalCommand } from './commands/eval.js';
import { fetchCommand } from './commands/fetch.js';
import { inspectCommand } from './commands/inspect.js';
import { planCommand } from './commands/plan.js';
import { pruneCommand } from './commands/prune.js';
import { reportCommand } from './commands/report.js';
import { schemaCommand } from './commands/schema.js';

const USAGE_ERROR = 2;
const UNEXPECTED_ERROR = 1;

/**
 * Runs one command. Never throws: errors become words on stderr and an exit code (0 done, 1 the run failed,
 * 2 the request was wrong, 130 or 143 interrupted). With `--json`, a failure also becomes the document on stdout.
 * @param args the arguments after the program's name
 */
export async function runCli(args: readonly string[], context: CliContext): Promise<number> {
  const program = createProgram(context);
  try {
    await program.parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    const failure = describe(error);
    if (failure.exitCode === 0) return 0;
    const verbose = program.opts().verbose === true || Boolean(context.env.DEBUG);
    if (!(error instanceof CommanderError)) context.stderr.write(words(error, verbose, context));
    if (args.includes('--json')) {
      const { kind, message, exitCode } = failure;
      context.stdout.write(`${JSON.stringify({ error: { kind, message, exitCode } }, null, 2)}\n`);
    }
    return failure.exitCode;
  }
}

function createProgram(context: CliContext): Command {
  const program = new Command('secateur')
    .description('Prune large language models, one block at a time.')
    .version(context.version, '--version', 'print the version')
    .option('--verbose', 'print where an unexpected error came from')
    .showHelpAfterError('(--help explains the command)');
  for (const create of [
    pruneCommand,
    planCommand,
    evalCommand,
    compareCommand,
    inspectCommand,
    fetchCommand,
    reportCommand,
    schemaCommand,
  ]) {
    program.addCommand(create(context));
  }
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
      getOutHelpWidth: () => context.stdout.columns ?? 80,
      getErrHelpWidth: () => context.stderr.columns ?? 80,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
  }
  return program;
}

function describe(error: unknown): { kind: string; message: string; exitCode: number } {
  if (error instanceof CommanderError) {
    // Commander ends with 0 after help or version that was asked for, and with 1 for every mistake.
    return { kind: 'UsageError', message: error.message, exitCode: error.exitCode === 0 ? 0 : USAGE_ERROR };
  }
  if (error instanceof SecateurError) {
    return { kind: error.name, message: error.message, exitCode: error.exitCode };
  }
  const { name, message } = error instanceof Error ? error : { name: 'Error', message: String(error) };
  return { kind: name, message, exitCode: UNEXPECTED_ERROR };
}

function words(error: unknown, verbose: boolean, context: CliContext): string {
  const colours = coloursFor(context.stderr, context.env);
  const { message } = describe(error);
  const stack = verbose && error instanceof Error && error.stack ? `${stackOf(error)}\n` : '';
  if (error instanceof InterruptedError) return `${message}\n${stack}`;
  const advice =
    error instanceof SecateurError || verbose
      ? ''
      : 'This was not expected; run again with --verbose to see where it came from.\n';
  return `${colours.red('error:')} ${message}\n${stack}${advice}`;
}

/** The stacks of an error and of what caused it, in turn. */
function stackOf(error: Error): string {
  const own = error.stack ?? error.message;
  return error.cause instanceof Error ? `${own}\ncaused by ${stackOf(error.cause)}` : own;
}
