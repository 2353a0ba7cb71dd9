/**
 * Several methods at several goals, each pruned and evaluated like the others.
 * @module
 */
import { rmSync } from 'node:fs';
import { writeFileAtomically } from '../checkpoint/atomic-file.js';
import type { RunConfig } from '../config/run-schema.js';
import { textSourceName } from '../config/text-source.js';
import { InterruptedError, RunError } from '../errors.js';
import { removeReused } from '../pipeline/dense/reuse.js';
import { version } from '../version.js';
import {
  type Comparison,
  type ComparisonRow,
  type FoundComparisons,
  findComparisons,
  writeComparison,
} from './comparison.js';
import { comparisonFiles } from './comparison-files.js';
import { claimComparisonFolder } from './comparison-folder.js';
import { type ComparisonRequest, comparisonRequest, type RequestOptions } from './comparison-request.js';
import { ComparisonRuns, type ComparisonRunsOptions } from './comparison-runs.js';
import { claimRuns, VariantRun } from './variant-run.js';

export interface CompareOptions extends ComparisonRunsOptions, Omit<RequestOptions, 'folder'> {}

export interface CompareResult {
  readonly output: string;
  readonly comparison: Comparison;
}

/**
 * Fills `output` of the run file with a run for each method and goal, `compare.json` and `compare.html`. The dense model is
 * evaluated once, and what runs need to know of it is measured once (`Reuse`). What an earlier comparison has, and nothing has
 * changed of, isn't done again; its other rows stay.
 *
 * @throws RequestError before any work for whatever is wrong with the request, or when another comparison has the output; RunError
 * when a run fails; InterruptedError when it was stopped. After the last two the same call, without `fresh`, goes on.
 */
export async function runCompare(
  config: RunConfig,
  options: CompareOptions & RequestOptions,
): Promise<CompareResult> {
  try {
    const request = await comparisonRequest(config, options);
    const { output } = request.config;
    const claim = claimComparisonFolder(output);
    try {
      for (const note of claim.notes) options.onLine?.(`note: ${note}`);
      return { output, comparison: await compare(request, options) };
    } finally {
      claim.release();
    }
  } catch (error) {
    const { signal, fresh } = options;
    if (signal?.aborted && error === signal.reason) throw new InterruptedError();
    if (!fresh || !(error instanceof RunError)) throw error;
    throw new RunError(`${error.message}\nwhat was compared stays: run compare again without --fresh`, {
      cause: error,
    });
  }
}

async function compare(request: ComparisonRequest, options: CompareOptions): Promise<Comparison> {
  const { config, wanted } = request;
  const { output, evaluation } = config;
  const { keep = false, fresh = false, onLine } = options;
  const { html, shared } = comparisonFiles(output);
  const runs = new ComparisonRuns(config, evaluation, options);
  const found = findComparisons(output, request.fingerprint, fresh);
  if (fresh) await forget(request, found, onLine);
  const earlier = found.same ?? (await begun(request, runs, found.there));
  const others = earlier.rows.filter((row) => !isWanted(row, request));
  const rows = new Map(fresh ? [] : earlier.rows.map((row) => [row.fingerprint, row]));
  const current = () => ({
    ...earlier,
    rows: [...others, ...wanted.flatMap((each) => rows.get(each.fingerprint) ?? [])],
  });
  await writeComparison(output, current(), onLine);

  for (const { variant, fingerprint, runFingerprint } of wanted) {
    const known = rows.get(fingerprint);
    if (known && (!keep || new VariantRun(output, known.folder, runFingerprint).hasWeights)) continue;
    const row = await runs.measure(variant, new VariantRun(output, variant.folder, runFingerprint));
    rows.set(fingerprint, { ...row, fingerprint });
    await writeComparison(output, current());
  }
  const { renderComparisonHtml } = await import('./render-comparison-html.js');
  await writeFileAtomically(html, renderComparisonHtml(current()));
  removeReused(shared);
  return current();
}

/** A comparison that has no rows yet; the dense model is evaluated unless the one that is there has its figures. */
async function begun(
  request: ComparisonRequest,
  runs: ComparisonRuns,
  there: Comparison | undefined,
): Promise<Comparison> {
  const { config, denseFingerprint, fingerprint } = request;
  const known = there?.dense.fingerprint === denseFingerprint ? there : undefined;
  const { dense, evaluation } = known ?? (await evaluatedDense(request, runs));
  return {
    version: 1,
    fingerprint,
    secateur: version,
    model: config.model,
    calibration: config.calibration ?? null,
    evaluation: { ...evaluation, data: textSourceName(config.evaluation.data) },
    dense,
    rows: [],
  };
}

async function evaluatedDense(
  { config, model, denseFingerprint }: ComparisonRequest,
  runs: ComparisonRuns,
): Promise<{ dense: Comparison['dense']; evaluation: Omit<Comparison['evaluation'], 'data'> }> {
  const { checkpoint, windows, bosTokenId, tokens } = await runs.evaluate('dense', model.name);
  const { perplexity, standard_error } = checkpoint;
  return {
    dense: { fingerprint: denseFingerprint, perplexity, standard_error },
    evaluation: {
      context: config.evaluation.context,
      ...(bosTokenId !== undefined && { bos_token_id: bosTokenId }),
      windows,
      tokens,
    },
  };
}

/**
 * Throws away the rows that are asked for, and then their runs.
 * @throws RequestError when a run is under way in one of their folders; nothing was thrown away then
 */
async function forget(
  request: ComparisonRequest,
  { same }: FoundComparisons,
  onLine: CompareOptions['onLine'],
): Promise<void> {
  const { output } = request.config;
  const { html, shared } = comparisonFiles(output);
  const runs = request.wanted.map(
    ({ variant, runFingerprint }) => new VariantRun(output, variant.folder, runFingerprint),
  );
  const claimed = claimRuns(runs);
  try {
    if (same) {
      const rows = same.rows.filter((row) => !isWanted(row, request));
      await writeComparison(output, { ...same, rows }, onLine);
    }
    rmSync(html, { force: true });
    claimed.remove();
    removeReused(shared);
  } finally {
    claimed.release();
  }
}

function isWanted({ fingerprint }: ComparisonRow, { wanted }: ComparisonRequest): boolean {
  return wanted.some((each) => each.fingerprint === fingerprint);
}
