/**
 * secateur: streaming weight pruning for large language models.
 * @module
 */
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { type CompareOptions, type CompareResult, runCompare } from './compare/run-compare.js';
import { loadRunFile } from './config/load-run-file.js';
import { runFileJsonSchema } from './config/run-file-json-schema.js';
import type { RunConfig } from './config/run-schema.js';
import { RequestError } from './errors.js';
import type { FetchedModel } from './hub/fetch-model.js';
import { type EvaluateOptions, type EvaluateResult, runEvaluate } from './pipeline/evaluate.js';
import { type InspectOptions, type InspectResult, runInspect } from './pipeline/inspect.js';
import { runSchema as schema } from './pipeline/methods/method-registry.js';
import { type OpenModelOptions, runFetch } from './pipeline/open-model.js';
import { makePlan, type Plan } from './pipeline/plan.js';
import { type PruneResult, type RunOptions, runPrune } from './pipeline/prune.js';
import { reportSchema } from './report/report-schema.js';

export type { Comparison, ComparisonRow } from './compare/comparison.js';
export type { CompareOptions, CompareResult } from './compare/run-compare.js';
export type { RunConfig } from './config/run-schema.js';
export { InterruptedError, RequestError, RunError, SecateurError } from './errors.js';
export type { FetchedModel } from './hub/fetch-model.js';
export type { EvaluateOptions, EvaluateResult } from './pipeline/evaluate.js';
export type {
  InspectedLinear,
  InspectedTensor,
  InspectOptions,
  InspectResult,
} from './pipeline/inspect.js';
export type { OpenModelOptions } from './pipeline/open-model.js';
export type { Plan, PlannedLayer } from './pipeline/plan.js';
export type { Phase, ProgressEvent, ProgressListener, Stage } from './pipeline/progress/progress.js';
export type { PruneResult } from './pipeline/prune.js';
export { renderReport } from './report/render-report.js';
export type { EvaluationReport, LayerReport, Perplexity, Report } from './report/report-schema.js';
export { version } from './version.js';

/** A path to a run file, or its content with every default written out and absolute paths. */
export type RunFile = string | RunConfig;

export interface PruneOptions extends RunOptions {
  /** `key.path=value` overrides of a run file given by path. */
  readonly set?: readonly string[] | undefined;
}

/**
 * Prunes a checkpoint as its run file says. A run that was interrupted goes on; a finished one is left alone.
 *
 * @throws RequestError before anything is written, for whatever is wrong with the request
 * @throws RunError when the run fails, InterruptedError when `signal` was aborted; both leave an output that can be gone on
 * with, without `fresh`
 */
export async function prune(runFile: RunFile, options: PruneOptions = {}): Promise<PruneResult> {
  return await runPrune(load(runFile, options.set), options);
}

/**
 * What `prune` would do: targets of every layer, bytes, memory, operations and an estimate of the time.
 *
 * @throws RequestError like `prune`
 */
export async function plan(
  runFile: RunFile,
  options: OpenModelOptions & { readonly set?: readonly string[] | undefined } = {},
): Promise<Plan> {
  return await makePlan(load(runFile, options.set), options);
}

/**
 * Perplexity of a checkpoint (a folder, or `org/name[@revision]` on the hub) on a text: tokenised once, cut into windows that don't
 * overlap and have no special token but BOS where `bos` says so, mean cross-entropy over all predicted tokens. Perplexities can only be compared where the tokens are the same; with
 * `baseline` that is looked at before anything is measured.
 *
 * @throws RequestError before any work, RunError when it fails, InterruptedError when `signal` was aborted
 */
export async function evaluate(checkpoint: string, options: EvaluateOptions): Promise<EvaluateResult> {
  return await runEvaluate(checkpoint, options);
}

/**
 * Prunes a model by several methods at several goals, each in a process of its own, evaluates each result, and leaves
 * `compare.json` and `compare.html` in the run file's output. A comparison that was interrupted goes on.
 *
 * @throws RequestError before any work, RunError when a run fails, InterruptedError when `signal` was aborted
 */
export async function compare(
  runFile: RunFile,
  options: CompareOptions & { readonly set?: readonly string[] | undefined },
): Promise<CompareResult> {
  const folder = typeof runFile === 'string' ? dirname(resolve(runFile)) : process.cwd();
  return await runCompare(load(runFile, options.set), { ...options, folder });
}

/** Zeros of every tensor of a checkpoint, and the groups of its linears that break an N:M pattern. */
export async function inspect(checkpoint: string, options: InspectOptions = {}): Promise<InspectResult> {
  return await runInspect(checkpoint, options);
}

/**
 * Brings a model's files from the hub into the cache that other programs share, and says in which folder they are. Asks the hub
 * what the revision is now; `prune`, `plan`, `evaluate` and `inspect` only do so when the cache lacks the model.
 *
 * @param name `org/name[@revision]`
 * @throws RequestError when there is no such model or it can't be used or read; RunError when hub or network fail; the signal's
 *   reason when it was aborted. The next call goes on from what is there.
 */
export async function fetchModel(name: string, options: OpenModelOptions = {}): Promise<FetchedModel> {
  return await runFetch(name, options);
}

/** The JSON Schema of `secateur/report.json`; also in `docs/report.schema.json`. */
export function reportJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(reportSchema);
}

/** The JSON Schema of `run.yaml`. */
export function runSchema(): Record<string, unknown> {
  return runFileJsonSchema(schema);
}

function load(runFile: RunFile, set: readonly string[] | undefined): RunConfig {
  if (typeof runFile === 'string') return loadRunFile(runFile, schema, { set: set ?? [] }).config;
  const parsed = schema.safeParse(runFile);
  if (!parsed.success) throw new RequestError(`run config: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}
