/**
 * Several methods at several goals, each pruned and evaluated like the others.
 * @module
 */
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomically } from '../checkpoint/atomic-file.js';
import { openCheckpoint } from '../checkpoint/checkpoint.js';
import { makeFolder } from '../checkpoint/make-folder.js';
import { sampleWeights } from '../checkpoint/sample-weights.js';
import type { RunConfig } from '../config/run-schema.js';
import { stringifyRunConfig } from '../config/stringify-run-config.js';
import { RequestError } from '../errors.js';
import { fingerprint } from '../pipeline/fingerprint.js';
import { readReport } from '../report/read-report.js';
import { version } from '../version.js';
import { type Comparison, type ComparisonRow, readComparison, writeComparison } from './comparison.js';
import { comparisonFiles } from './comparison-files.js';
import { runOwnCommand } from './own-command.js';
import { type Variant, variantsOf } from './variant.js';

export interface CompareOptions {
  /** `name`, with `+` and what follows it and `@` and an allocation. */
  readonly methods: readonly string[];
  /** `N:M` or fractions. */
  readonly goals: readonly string[];
  /** Throw away what an earlier comparison left. */
  readonly fresh?: boolean | undefined;
  /** Leave the pruned checkpoints; otherwise each goes once it is evaluated. */
  readonly keep?: boolean | undefined;
  /** Told what the runs say of their progress, line by line. */
  readonly onLine?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface CompareResult {
  readonly output: string;
  readonly comparison: Comparison;
}

const evaluated = z.object({
  checkpoint: z.object({ perplexity: z.number(), standard_error: z.number() }),
  windows: z.int(),
  tokens: z.int(),
});

/**
 * Fills `output` of the run file with a run for each method and goal, `compare.json` and `compare.html`. The dense model is
 * evaluated once. What an earlier comparison has, and nothing has changed of, isn't done again; its other rows stay.
 *
 * @throws RequestError before any work for whatever is wrong with the request; RunError when a run fails; InterruptedError
 * when it was stopped. After the last two the same call goes on.
 */
export async function runCompare(base: RunConfig, options: CompareOptions): Promise<CompareResult> {
  const { output, evaluation } = base;
  if (!evaluation) throw new RequestError('compare needs evaluation: {data: …} in the run file');
  const variants = variantsOf(base, options.methods, options.goals);
  const checkpoint = await openCheckpoint(base.model);
  const source = { hash: await checkpoint.hash(), weights: sampleWeights(checkpoint), version };
  const text = { evaluation, file: fileState(evaluation.data) };
  const denseFingerprint = fingerprint({ ...source, ...text });
  if (options.fresh)
    for (const { folder } of variants) rmSync(join(output, folder), { recursive: true, force: true });
  const earlier = options.fresh ? undefined : readComparison(output);
  makeFolder(join(output, 'runs'));

  const onLine = options.onLine ?? (() => {});
  const command = (what: string, args: readonly string[]) =>
    runOwnCommand(args, { signal: options.signal, onLine: (line) => onLine(`${what}: ${line}`) });
  const evaluate = async (what: string, folder: string) => {
    const { data, context, windows } = evaluation;
    const most = windows === undefined ? [] : ['--windows', String(windows)];
    const workers = base.resources.workers === 'auto' ? [] : ['--workers', String(base.resources.workers)];
    const args = ['eval', folder, '--data', data, '--context', String(context), ...most, ...workers];
    return evaluated.parse(await command(what, args));
  };

  const same = earlier?.dense.fingerprint === denseFingerprint ? earlier : undefined;
  let comparison: Comparison;
  if (same) {
    const asked = new Set(variants.map(({ folder }) => folder));
    comparison = { ...same, rows: same.rows.filter(({ folder }) => !asked.has(folder)) };
  } else {
    const { checkpoint: dense, windows, tokens } = await evaluate('dense', base.model);
    comparison = {
      version: 1,
      secateur: version,
      model: base.model,
      calibration: base.calibration ?? null,
      evaluation: { data: evaluation.data, context: evaluation.context, windows, tokens },
      dense: { fingerprint: denseFingerprint, ...figures(dense) },
      rows: [],
    };
  }
  for (const variant of variants) {
    const { config } = variant;
    const own = fingerprint({ ...source, ...text, config, calibration: calibrationFiles(base) });
    const known = same?.rows.find((row) => row.fingerprint === own);
    const row = known ?? (await measured(variant, own, command, evaluate, output, options.keep ?? false));
    comparison = { ...comparison, rows: [...comparison.rows, row] };
    await writeComparison(output, comparison);
  }
  const { renderComparisonHtml } = await import('./render-comparison-html.js');
  await writeFileAtomically(comparisonFiles(output).html, renderComparisonHtml(comparison));
  return { output, comparison };
}

async function measured(
  variant: Variant,
  own: string,
  command: (what: string, args: readonly string[]) => Promise<unknown>,
  evaluate: (what: string, folder: string) => Promise<z.infer<typeof evaluated>>,
  output: string,
  keep: boolean,
): Promise<ComparisonRow> {
  const what = `${variant.method} ${variant.goal}`;
  const folder = join(output, variant.folder);
  const runFile = join(output, 'runs', `${variant.folder}.yaml`);
  await writeFileAtomically(runFile, stringifyRunConfig(variant.config));
  await command(what, ['prune', runFile]);
  const report = await readReport(folder);
  const { checkpoint: pruned } = await evaluate(what, folder);
  if (!keep) removeWeights(folder);
  const errors = report.layers.flatMap(({ output_error: error }) => error ?? []);
  return {
    method: variant.method,
    goal: variant.goal,
    fingerprint: own,
    folder: variant.folder,
    sparsity: report.totals.sparsity,
    ...figures(pruned),
    seconds: report.run.prune_seconds,
    peak_rss_bytes: report.run.peak_rss_bytes,
    output_error: errors.length === 0 ? null : errors.reduce((sum, error) => sum + error, 0) / errors.length,
  };
}

function figures({ perplexity, standard_error }: { perplexity: number; standard_error: number }) {
  return { perplexity, standard_error };
}

/** What of the calibration text is there, so that another one is noticed. */
function calibrationFiles({ calibration }: RunConfig): unknown {
  return calibration?.data.map(({ path }) => fileState(path)) ?? null;
}

/** @throws RequestError when there is no such file */
function fileState(path: string): { size: number; changed: number } {
  if (!existsSync(path)) throw new RequestError(`${path}: no such file`);
  const { size, mtimeMs } = statSync(path);
  return { size, changed: mtimeMs };
}

function removeWeights(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (name.endsWith('.safetensors')) rmSync(join(folder, name), { force: true });
  }
}
