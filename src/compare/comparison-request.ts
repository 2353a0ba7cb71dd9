/**
 * What a comparison is asked for, and everything that can be wrong with it before any work.
 * @module
 */
import { pinTextSource, requireTextFile } from '../calibration/open-text-source.js';
import { loadTokenizer } from '../calibration/tokenizer.js';
import { windowBos } from '../calibration/window-bos.js';
import { type Checkpoint, openCheckpoint } from '../checkpoint/checkpoint.js';
import type { EvaluationConfig, RunConfig } from '../config/run-schema.js';
import type { TextSource } from '../config/text-source.js';
import { RequestError } from '../errors.js';
import { checkpointModel } from '../forward/checkpoint-model.js';
import { DownloadLines } from '../pipeline/download-lines.js';
import { type ModelFolder, modelFolder } from '../pipeline/open-model.js';
import { checkOutputFolder } from '../pipeline/output/output-folder.js';
import { fitMemory } from '../pipeline/prepare/fit-memory.js';
import { type PreparedRun, prepareWithoutTexts, requireTexts } from '../pipeline/prepare/prepare-run.js';
import type { ProgressListener } from '../pipeline/progress/progress.js';
import { findComparisons } from './comparison.js';
import { ComparisonFingerprints } from './comparison-fingerprints.js';
import { checkComparisonFolder } from './comparison-folder.js';
import { rememberingTexts } from './remembering-texts.js';
import { type Variant, variantsOf } from './variant.js';

export interface RequestOptions {
  /** `name`, with `+` and what follows it and `@` and an allocation. */
  readonly methods: readonly string[];
  /** `N:M` or fractions. */
  readonly goals: readonly string[];
  /** What relative paths in the brackets of a method are relative to. */
  readonly folder: string;
  /** Throw away what an earlier comparison has of the rows that are asked for. */
  readonly fresh?: boolean | undefined;
  /** Told of a download, line by line. */
  readonly onLine?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A row that is asked for. */
export interface WantedRow {
  readonly variant: Variant;
  /** Of everything that decides the figures. */
  readonly fingerprint: string;
  /** The same without the evaluation. */
  readonly runFingerprint: string;
}

export interface ComparisonRequest {
  /** With texts from the hub at the commits that all runs read. */
  readonly config: RunConfig & { readonly evaluation: EvaluationConfig };
  /** By a name under which all runs find the same. */
  readonly model: ModelFolder;
  /** Of what all rows have in common. */
  readonly fingerprint: string;
  /** Of the dense model's figures. */
  readonly denseFingerprint: string;
  readonly wanted: readonly WantedRow[];
}

/**
 * @throws RequestError for whatever is wrong with the request, naming the variant where it is one's; RunError when the hub
 * fails; the signal's reason
 */
export async function comparisonRequest(
  given: RunConfig,
  options: RequestOptions,
): Promise<ComparisonRequest> {
  const { signal, fresh = false } = options;
  const named = variantsOf(given, options);
  const pin = textPinner(signal);
  const config = await pin(given);
  const { evaluation } = config;
  if (!evaluation) throw new RequestError('compare needs evaluation: {data: …} in the run file');
  await requireTextFile(evaluation.data);
  for (const each of named) await naming(each, () => requireTexts(each.config));
  const model = await locate(config.model, options);
  checkComparisonFolder(config.output, model.folder);
  const checkpoint = await openCheckpoint(model.folder);
  await requireBos(config, checkpoint);
  const prepared: { readonly variant: Variant; readonly run: PreparedRun }[] = [];
  for (const each of named) {
    const variant = { ...each, config: { ...(await pin(each.config)), model: model.name } };
    const run = await naming(variant, async () => {
      checkOutputFolder(variant.config.output, checkpoint.folder);
      return await prepareWithoutTexts(variant.config, checkpoint);
    });
    prepared.push({ variant, run });
  }

  const fingerprints = await ComparisonFingerprints.of(checkpoint, evaluation, signal);
  const fingerprint = await fingerprints.comparison(config);
  const earlier = findComparisons(config.output, fingerprint, fresh);
  const known = new Set(fresh ? [] : earlier.same?.rows.map((row) => row.fingerprint));
  const wanted: WantedRow[] = [];
  for (const { variant, run } of prepared) {
    const runFingerprint = await fingerprints.run(variant.config);
    const row = { variant, runFingerprint, fingerprint: fingerprints.row(runFingerprint) };
    const same = wanted.find(({ fingerprint }) => fingerprint === row.fingerprint);
    if (same)
      throw new RequestError(`${nameOf(same.variant)} is asked for twice, also as ${nameOf(variant)}`);
    if (!known.has(row.fingerprint)) await naming(variant, async () => fitMemory(run));
    wanted.push(row);
  }
  return {
    config: { ...config, evaluation },
    model,
    fingerprint,
    denseFingerprint: fingerprints.dense,
    wanted,
  };
}

/** @throws RequestError where windows are to begin with BOS in any case, and the tokenizer has none */
async function requireBos({ calibration, evaluation }: RunConfig, checkpoint: Checkpoint): Promise<void> {
  if (calibration?.bos !== 'always' && evaluation?.bos !== 'always') return;
  const tokenizer = await loadTokenizer(checkpoint.folder);
  const { model } = checkpointModel(checkpoint);
  if (calibration) windowBos(calibration.bos, tokenizer, model, 'calibration.bos');
  if (evaluation) windowBos(evaluation.bos, tokenizer, model, 'evaluation.bos');
}

/** Puts the commit that it has now into each text from the hub, so that all runs read the same. */
function textPinner(signal: AbortSignal | undefined): (config: RunConfig) => Promise<RunConfig> {
  const commitOf = rememberingTexts((source) => pinTextSource(source, { signal }));
  const pinned = async <Source extends TextSource>(source: Source): Promise<Source> => ({
    ...source,
    ...(await commitOf(source)),
  });
  return async (config) => {
    const { calibration, evaluation } = config;
    return {
      ...config,
      ...(calibration && {
        calibration: { ...calibration, data: await Promise.all(calibration.data.map(pinned)) },
      }),
      ...(evaluation && { evaluation: { ...evaluation, data: await pinned(evaluation.data) } }),
    };
  };
}

/** Lines tell of a download. */
async function locate(model: string, { signal, onLine }: RequestOptions): Promise<ModelFolder> {
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

/** @throws what `work` throws, RequestErrors with the variant before their message */
async function naming<Result>(variant: Variant, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof RequestError)) throw cause;
    throw new RequestError(`${nameOf(variant)}: ${cause.message}`, { cause });
  }
}

function nameOf({ method, goal }: Variant): string {
  return `${method} at ${goal}`;
}
