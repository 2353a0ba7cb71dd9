/**
 * Several methods at several goals, each pruned and evaluated like the others.
 * @module
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { pinTextSource } from '../calibration/open-text-source.js';
import { textIdentity } from '../calibration/text-identity.js';
import { writeFileAtomically } from '../checkpoint/atomic-file.js';
import { openCheckpoint } from '../checkpoint/checkpoint.js';
import { makeFolder } from '../checkpoint/make-folder.js';
import { sampleWeights } from '../checkpoint/sample-weights.js';
import type { EvaluationConfig, RunConfig } from '../config/run-schema.js';
import { type TextSource, textSourceName } from '../config/text-source.js';
import { InterruptedError, RequestError } from '../errors.js';
import { checkpointModel } from '../forward/checkpoint-model.js';
import type { ModelDescription } from '../model/description.js';
import { DownloadLines } from '../pipeline/download-lines.js';
import { fingerprint } from '../pipeline/fingerprint.js';
import { planLayers } from '../pipeline/layer-plan.js';
import { type ModelFolder, modelFolder } from '../pipeline/open-model.js';
import type { ProgressListener } from '../pipeline/progress.js';
import { version } from '../version.js';
import { type Comparison, type ComparisonRow, findComparison, writeComparison } from './comparison.js';
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
 * evaluated once, and what runs need to know of it is measured once (`Reuse`). What an earlier comparison has, and nothing has changed of, isn't done again; its other rows stay.
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

async function compare(given: RunConfig, options: CompareOptions): Promise<CompareResult> {
  if (!given.evaluation) throw new RequestError('compare needs evaluation: {data: …} in the run file');
  const asked = await withPinnedTexts(given, given.evaluation, options);
  const { output, evaluation } = asked;
  const named = variantsOf(asked, options.methods, options.goals);
  // Before a model is downloaded: a text may be missing.
  const identify = textIdentifier(options.signal);
  const base = await deciding(asked, identify);
  const { name: model, folder } = await locate(asked.model, options);
  const variants = named.map((each) => ({ ...each, config: { ...each.config, model } }));
  const checkpoint = await openCheckpoint(folder);
  requireFitting(variants, checkpointModel(checkpoint).model);
  const source = { hash: await checkpoint.hash(), weights: sampleWeights(checkpoint), version };
  const measured = { ...source, evaluation: base.evaluation };
  const wanted = await Promise.all(
    variants.map(async (variant) => ({
      variant,
      own: fingerprint({ ...(await deciding(variant.config, identify)), ...measured }),
    })),
  );
  const denseFingerprint = fingerprint(measured);
  const remove = (path: string) => rmSync(path, { recursive: true, force: true });
  const { html, shared } = comparisonFiles(output);
  if (options.fresh)
    for (const path of [shared, ...variants.map(({ folder }) => join(output, folder))]) remove(path);
  const earlier = options.fresh ? undefined : findComparison(output, denseFingerprint, options.onLine);
  makeFolder(join(output, 'runs'));
  const runs = new ComparisonRuns(asked, evaluation, options);

  let comparison: Comparison;
  if (earlier) {
    comparison = earlier;
  } else {
    const { checkpoint: dense, windows, tokens } = await runs.evaluate('dense', model);
    const { perplexity, standard_error } = dense;
    comparison = {
      version: 1,
      secateur: version,
      model: asked.model,
      calibration: asked.calibration ?? null,
      evaluation: { data: textSourceName(evaluation.data), context: evaluation.context, windows, tokens },
      dense: { fingerprint: denseFingerprint, perplexity, standard_error },
      rows: [],
    };
    await writeComparison(output, comparison);
  }
  const others = comparison.rows.filter(({ folder }) => variants.every((each) => each.folder !== folder));
  const known = new Map(comparison.rows.map((row) => [row.fingerprint, row]));
  for (const { variant, own } of wanted) {
    if (known.has(own)) continue;
    known.set(own, { ...(await runs.measure(variant)), fingerprint: own });
    await writeComparison(output, { ...comparison, rows: [...others, ...knownRows(wanted, known)] });
  }
  comparison = { ...comparison, rows: [...others, ...knownRows(wanted, known)] };
  await writeComparison(output, comparison);
  const { renderComparisonHtml } = await import('./render-comparison-html.js');
  await writeFileAtomically(html, renderComparisonHtml(comparison));
  remove(shared);
  return { output, comparison };
}

/** With text from the hub at the commit that it has now, so that all runs read the same. */
async function withPinnedTexts(config: RunConfig, evaluation: EvaluationConfig, { signal }: CompareOptions) {
  const { calibration } = config;
  const pin = <Source extends TextSource>(source: Source) => pinTextSource(source, { signal });
  return {
    ...config,
    ...(calibration && {
      calibration: { ...calibration, data: await Promise.all(calibration.data.map(pin)) },
    }),
    evaluation: { ...evaluation, data: await pin(evaluation.data) },
  };
}

/** The model, by a name under which all runs find the same; lines tell of a download. */
async function locate(model: string, { signal, onLine }: CompareOptions): Promise<ModelFolder> {
  const downloads = new DownloadLines();
  const onProgress: ProgressListener = (event) => {
    const isDownload = event.kind === 'download' || event.kind === 'download-end';
    const line = isDownload
      ? downloads.line(event)
      : event.kind === 'note'
        ? `note: ${event.message}`
        : undefined;
    if (line !== undefined) onLine?.(line);
  };
  return await modelFolder(model, { signal, onProgress });
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

/** `textIdentity`, once for each text. */
function textIdentifier(signal: AbortSignal | undefined): typeof textIdentity {
  const known = new Map<string, ReturnType<typeof textIdentity>>();
  return (source) => {
    const key = JSON.stringify(source);
    const identity = known.get(key) ?? textIdentity(source, signal);
    known.set(key, identity);
    return identity;
  };
}

/**
 * What of a run file decides its figures: texts by what is in them, and neither where the model is, which its hash tells, nor
 * where the output goes.
 * @throws RequestError when there is no such text
 */
async function deciding({ model, output, ...config }: RunConfig, identify: typeof textIdentity) {
  const { calibration, evaluation, ...others } = config;
  return {
    ...others,
    calibration: calibration && {
      ...calibration,
      data: await Promise.all(calibration.data.map((source) => identify(source))),
    },
    evaluation: evaluation && { ...evaluation, data: await identify(evaluation.data) },
  };
}
