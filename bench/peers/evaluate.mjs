/**
 * The one evaluator that judges every checkpoint.
 * @module
 */
import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cli } from './contestants.mjs';
import { run } from './processes.mjs';

const tokenizerFile =
  /^(tokenizer.*|special_tokens_map|vocab|merges|added_tokens|chat_template)\.(json|txt|model|jinja)$/;

/** Gives a written checkpoint the tokenizer files of its source, so that all are judged on the same tokens. */
function sameTokenizer(source, checkpoint) {
  for (const name of readdirSync(source)) {
    if (tokenizerFile.test(name)) copyFileSync(join(source, name), join(checkpoint, name));
  }
}

async function secateurJson(command, folder, name) {
  const stdout = join(folder, `${name}.json`);
  await run([process.execPath, cli, ...command, '--json'], { log: join(folder, `${name}.log`), stdout });
  return JSON.parse(readFileSync(stdout, 'utf8'));
}

/**
 * Perplexity of a checkpoint by `secateur eval`, its zeros and violations of `pattern` by `secateur inspect`.
 * @param {string} checkpoint
 * @param {string | undefined} pattern
 * @param {import('./options.mjs').Settings} settings
 * @param {string} folder for logs
 */
export async function evaluate(checkpoint, pattern, settings, folder) {
  const { data, context, windows } = settings.evaluation;
  if (checkpoint !== settings.model) sameTokenizer(settings.model, checkpoint);
  const inspected = await secateurJson(
    ['inspect', checkpoint, ...(pattern ? ['--pattern', pattern] : [])],
    folder,
    'inspect',
  );
  const measured = await secateurJson(
    [
      ...['eval', checkpoint, '--data', data, '--context', String(context), '--windows', String(windows)],
      ...['--workers', String(settings.threads)],
    ],
    folder,
    'eval',
  );
  const { prunable, prunableZeros } = inspected.totals;
  const { perplexity, standard_error, cross_entropy } = measured.checkpoint;
  return {
    perplexity,
    standard_error,
    cross_entropy,
    context: measured.context,
    windows: measured.windows,
    predicted_tokens: measured.tokens,
    seconds: measured.seconds,
    zeros: prunableZeros,
    prunable,
    sparsity: prunableZeros / prunable,
    pattern_violations: pattern
      ? inspected.tensors.reduce((sum, { violations = 0 }) => sum + violations, 0)
      : null,
  };
}
