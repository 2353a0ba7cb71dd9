/**
 * The `eval` command's work.
 * @module
 */
import { resolve } from 'node:path';
import { pinTextSource, requireTextFile } from '../calibration/open-text-source.js';
import { hubAddressForm, parseTextSource, type TextSource } from '../config/text-source.js';
import { InterruptedError, RequestError } from '../errors.js';
import { type CheckpointEvaluation, evaluateCheckpoint } from '../evaluation/evaluate-checkpoint.js';
import type { Perplexity } from '../report/report-schema.js';
import { automaticWorkers, WorkerPool } from '../runtime/worker-pool.js';
import { peakRssBytes } from '../system/peak-rss-bytes.js';
import { checkpointFolder, type ModelFolder } from './open-model.js';
import type { ProgressListener, Stage } from './progress.js';
import { StageClock } from './stage-clock.js';

export interface EvaluateOptions {
  /** Path of a text file, or `hf://datasets/org/name[@revision]/files`. */
  readonly data: string;
  /** The field or column that holds the text or the messages; `text` or `messages` when left out. */
  readonly field?: string | undefined;
  /** Tokens a window (default 2048), capped at the model's limit. */
  readonly context?: number | undefined;
  /** How many windows from the start; all when left out. */
  readonly windows?: number | undefined;
  /** Another checkpoint, a folder or a name on the hub, evaluated on the same text. */
  readonly baseline?: string | undefined;
  readonly workers?: number | undefined;
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface EvaluateResult {
  readonly checkpoint: Perplexity & { readonly path: string };
  readonly baseline?: Perplexity & { readonly path: string };
  /** What was read: the absolute path, or `hf://…` with the commit. */
  readonly data: string;
  readonly context: number;
  readonly windows: number;
  /** Predicted tokens. */
  readonly tokens: number;
  readonly seconds: number;
  readonly peakRssBytes: number;
  readonly notes: readonly string[];
}

const DEFAULT_CONTEXT = 2048;

/** @throws RequestError for what is neither a path nor the address of files on the hub */
function textSourceOf(data: string, field: string | undefined): TextSource {
  const source = parseTextSource(data);
  if (source === undefined) throw new RequestError(`data ${data}: expected ${hubAddressForm}`);
  return {
    ...('path' in source ? { path: resolve(source.path) } : source),
    ...(field !== undefined && { field }),
  };
}

export async function runEvaluate(checkpoint: string, options: EvaluateOptions): Promise<EvaluateResult> {
  const started = performance.now();
  const { data, baseline, windows, signal, onProgress = () => {} } = options;
  const context = options.context ?? DEFAULT_CONTEXT;
  for (const [name, value, least] of [
    ['context', context, 2],
    ['windows', windows ?? 1, 1],
  ] as const) {
    if (!Number.isSafeInteger(value) || value < least) {
      throw new RequestError(`${name} ${value} is not an integer of at least ${least}`);
    }
  }
  const given = textSourceOf(data, options.field);
  await requireTextFile(given);
  const locate = (name: string) => checkpointFolder(name, { onProgress, signal });
  const denseFolder = baseline === undefined ? undefined : await locate(baseline);
  const prunedFolder = await locate(checkpoint);
  // A branch may move between the two.
  const source = denseFolder ? await pinTextSource(given, { signal }) : given;
  const pool = new WorkerPool(options.workers ?? automaticWorkers(), signal);
  const one = async ({ folder }: ModelFolder, stage: Stage): Promise<CheckpointEvaluation> => {
    let clock: StageClock | undefined;
    const evaluation = await evaluateCheckpoint(pool, folder, {
      data: source,
      context,
      windows,
      signal,
      onStart: (blocks, tokens) => {
        clock = new StageClock(stage, blocks, tokens, onProgress);
      },
      onStep: (phase, block, done, total) => clock?.step(phase, block, done, total),
      onBlock: (block, seconds) => clock?.block(block, seconds),
    });
    clock?.end();
    return evaluation;
  };
  try {
    const dense = denseFolder && (await one(denseFolder, 'evaluate dense'));
    const result = await one(prunedFolder, 'evaluate pruned');
    if (dense && (dense.context !== result.context || dense.windows !== result.windows)) {
      throw new RequestError(
        `the checkpoints cut the text differently: ${dense.windows} windows of ${dense.context} tokens and ` +
          `${result.windows} of ${result.context}; give context and windows that both allow`,
      );
    }
    return {
      checkpoint: { path: prunedFolder.folder, ...result.estimate },
      ...(dense && denseFolder ? { baseline: { path: denseFolder.folder, ...dense.estimate } } : {}),
      data: result.source,
      context: result.context,
      windows: result.windows,
      tokens: result.windows * (result.context - 1),
      seconds: (performance.now() - started) / 1000,
      peakRssBytes: peakRssBytes(),
      notes: [...(denseFolder?.notes ?? []), ...prunedFolder.notes, ...result.notes],
    };
  } catch (error) {
    if (signal?.aborted && !(error instanceof RequestError)) throw new InterruptedError('interrupted');
    throw error;
  } finally {
    await pool.close();
  }
}
