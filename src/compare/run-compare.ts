/**
 * Several methods at several goals, each pruned and evaluated like the others.
 * @module
 */
import { existsSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomically } from '../checkpoint/atomic-file.js';
import { openCheckpoint } from '../checkpoint/checkpoint.js';
import { makeFolder } from '../checkpoint/make-folder.js';
import { sampleWeights } from '../checkpoint/sample-weights.js';
import type { RunConfig } from '../config/run-schema.js';
import { InterruptedError, RequestError } from '../errors.js';
import { checkpointModel } from '../forward/checkpoint-model.js';
import type { ModelDescription } from '../model/description.js';
import { fingerprint } from '../pipeline/fingerprint.js';
import { planLayers } from '../pipeline/layer-plan.js';
import { version } from '../version.js';
import { type Comparison, type ComparisonRow, readComparison, writeComparison } from './comparison.js';
import { comparisonFiles } from './comparison-files.js';
import { ComparisonRuns, type ComparisonRunsOptions } from './comparison-runs.js';
import { type Variant, variantsOf } from './variant.js';

export interface CompareOptions extends ComparisonRunsOptions {
  /** `name`, with `+` and what follows it and `@` and an allocation. */
  readonly methods: readonly string[];
  /** `N:M` or fractions. */
  readonly goals: readonly string[];
  /** Throw away what an earlier comparison left. */
  readonly fresh?: boolean | undefined;
}

export interface CompareResult {
  readonly output: string;
  readonly comparison: Comparison;
}

/**
 * Fills `output` of the run file with a run for each method and goal, `compare.json` and `compare.html`. The dense model is
 * evaluated once. What an earlier comparison has, and nothing has changed of, isn't done again; its other rows stay.
 *
 * @throws RequestError before any work for whatever is wrong with the request; RunError when a run fails; InterruptedError
 * when it was stopped. After the last two the same call goes on.
 */
export async function runCompare(base: RunConfig, options: CompareOptions): Promise<CompareResult> {
  try {
    return await compare(base, options);
  } catch (error) {
    const { signal } = options;
    if (signal?.aborted && error === signal.reason) throw new InterruptedError();
    throw error;
  }
}

async function compare(base: RunConfig, options: CompareOptions): Promise<CompareResult> {
  const { output, evaluation } = base;
  if (!evaluation) throw new RequestError('compare needs evaluation: {data: …} in the run file');
  const variants = variantsOf(base, options.methods, options.goals);
  const checkpoint = await openCheckpoint(base.model);
  requireFitting(variants, checkpointModel(checkpoint).model);
  const source = { hash: await checkpoint.hash(), weights: sampleWeights(checkpoint), version };
  const text = { evaluation, file: fileState(evaluation.data) };
  const calibration = calibrationFiles(base);
  const asked = variants.map((variant) => ({
    variant,
    own: fingerprint({ ...source, ...text, config: variant.config, calibration }),
  }));
  const denseFingerprint = fingerprint({ ...source, ...text });
  if (options.fresh)
    for (const { folder } of variants) rmSync(join(output, folder), { recursive: true, force: true });
  const earlier = options.fresh ? undefined : readComparison(output);
  makeFolder(join(output, 'runs'));
  const runs = new ComparisonRuns(base, evaluation, options);

  let comparison: Comparison;
  if (earlier?.dense.fingerprint === denseFingerprint) {
    comparison = earlier;
  } else {
    const { checkpoint: dense, windows, tokens } = await runs.evaluate('dense', base.model);
    const { perplexity, standard_error } = dense;
    comparison = {
      version: 1,
      secateur: version,
      model: base.model,
      calibration: base.calibration ?? null,
      evaluation: { data: evaluation.data, context: evaluation.context, windows, tokens },
      dense: { fingerprint: denseFingerprint, perplexity, standard_error },
      rows: [],
    };
    await writeComparison(output, comparison);
  }
  const others = comparison.rows.filter(({ folder }) => variants.every((each) => each.folder !== folder));
  const known = new Map(comparison.rows.map((row) => [row.fingerprint, row]));
  for (const { variant, own } of asked) {
    if (known.has(own)) continue;
    known.set(own, { ...(await runs.measure(variant)), fingerprint: own });
    await writeComparison(output, { ...comparison, rows: [...others, ...knownRows(asked, known)] });
  }
  comparison = { ...comparison, rows: [...others, ...knownRows(asked, known)] };
  await writeComparison(output, comparison);
  const { renderComparisonHtml } = await import('./render-comparison-html.js');
  await writeFileAtomically(comparisonFiles(output).html, renderComparisonHtml(comparison));
  return { output, comparison };
}

/** @throws RequestError naming the variant, and the linear that its goal doesn't fit or the rule that matches none */
function requireFitting(variants: readonly Variant[], model: ModelDescription): void {
  for (const { method, goal, config } of variants) {
    try {
      planLayers(model, config.prune);
    } catch (cause) {
      if (!(cause instanceof RequestError)) throw cause;
      throw new RequestError(`${method} at ${goal}: ${cause.message}`, { cause });
    }
  }
}

/** In the order in which they are asked for. */
function knownRows(
  asked: readonly { readonly own: string }[],
  known: ReadonlyMap<string, ComparisonRow>,
): ComparisonRow[] {
  return asked.flatMap(({ own }) => known.get(own) ?? []);
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
