/**
 * The `eval` command's work.
 * @module
 */
import { resolve } from 'node:path';
import { pinTextSource, requireTextFile } from '../calibration/open-text-source.js';
import { type BosOption, bosOptions } from '../config/bos-option.js';
import { hubAddressForm, parseTextSource, type TextSource } from '../config/text-source.js';
import { InterruptedError, RequestError } from '../errors.js';
import {
  evaluateCheckpoint,
  type PreparedEvaluation,
  prepareEvaluation,
} from '../evaluation/evaluate-checkpoint.js';
import { requireSameTokens } from '../evaluation/require-same-tokens.js';
import type { Perplexity } from '../report/report-schema.js';
import { automaticWorkers, WorkerPool } from '../runtime/worker-pool.js';
import { collectGarbage } from '../system/collect-garbage.js';
import { peakRssBytes } from '../system/peak-rss-bytes.js';
import { checkpointFolder } from './open-model.js';
import type { ProgressListener, Stage } from './progress/progress.js';
import { StageClock } from './progress/stage-clock.js';

export interface EvaluateOptions {
  /** Path of a text file, or `hf://datasets/org/name[@revision]/files`. */
  readonly data: string;
  /** The field or column that holds the text or the messages; `text` or `messages` when left out. */
  readonly field?: string | undefined;
  /** Tokens a window (default 2048), capped at the model's limit. */
  readonly context?: number | undefined;
  /** How many windows from the start; all when left out. */
  readonly windows?: number | undefined;
  /** Whether windows begin with the tokenizer's BOS token; `auto` (the default): for models that need it. */
  readonly bos?: BosOption | undefined;
  /** Another checkpoint, a folder or a name on the hub, evaluated on the same tokens. */
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
  /** The token that every window begins with; left out where none was put. */
  readonly bosTokenId?: number;
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

/** A checkpoint that is evaluated. */
interface Side {
  readonly path: string;
  readonly prepared: PreparedEvaluation;
  readonly notes: readonly string[];
}

interface Sides {
  readonly pruned: Side;
  readonly dense: Side | undefined;
}

/**
 * Looks at all that is asked for, before either checkpoint is measured.
 * @throws RequestError for what can't be evaluated or compared
 */
async function prepareSides(checkpoint: string, options: EvaluateOptions): Promise<Sides> {
  const { data, baseline, windows, bos = 'auto', signal, onProgress } = options;
  const context = options.context ?? DEFAULT_CONTEXT;
  for (const [name, value, least] of [
    ['context', context, 2],
    ['windows', windows ?? 1, 1],
  ] as const) {
    if (!Number.isSafeInteger(value) || value < least) {
      throw new RequestError(`${name} ${value} is not an integer of at least ${least}`);
    }
  }
  if (!bosOptions.includes(bos)) throw new RequestError(`bos ${bos} is none of ${bosOptions.join(', ')}`);
  const given = textSourceOf(data, options.field);
  await requireTextFile(given);
  // A branch may move between the two.
  const source = baseline === undefined ? given : await pinTextSource(given, { signal });
  const prepare = async (name: string): Promise<Side> => {
    const { folder, notes } = await checkpointFolder(name, { onProgress, signal });
    const prepared = await prepareEvaluation(folder, { data: source, context, windows, bos, signal });
    return { path: folder, prepared, notes: [...notes, ...prepared.notes] };
  };
  const pruned = await prepare(checkpoint);
  if (baseline === undefined) return { pruned, dense: undefined };
  const dense = await prepare(baseline);
  const named = ({ path, prepared }: Side) => ({ name: path, text: prepared.text });
  requireSameTokens(named(pruned), named(dense));
  return { pruned, dense };
}

async function measureSides(
  { pruned, dense }: Sides,
  { workers = automaticWorkers(), onProgress = () => {}, signal }: EvaluateOptions,
): Promise<Pick<EvaluateResult, 'checkpoint' | 'baseline'>> {
  const pool = new WorkerPool(workers, signal);
  const measure = async ({ path, prepared }: Side, stage: Stage) => {
    const clock = new StageClock(
      stage,
      prepared.model.blocks.length,
      prepared.text.tokens.length,
      onProgress,
    );
    const estimate = await evaluateCheckpoint(pool, prepared, {
      onStep: (phase, block, done, total) => clock.step(phase, block, done, total),
      onBlock: (block, seconds) => clock.block(block, seconds),
    });
    clock.end();
    return { path, ...estimate };
  };
  try {
    const baseline = dense && (await measure(dense, 'evaluate dense'));
    const checkpoint = await measure(pruned, 'evaluate pruned');
    return { checkpoint, ...(baseline && { baseline }) };
  } finally {
    await pool.close();
  }
}

/** @throws RequestError before any work; RunError when it fails; InterruptedError when `signal` was aborted */
export async function runEvaluate(checkpoint: string, options: EvaluateOptions): Promise<EvaluateResult> {
  const started = performance.now();
  try {
    const sides = await prepareSides(checkpoint, options);
    // The tokenizers are needed no more, and are often larger than a block of weights.
    collectGarbage();
    const measured = await measureSides(sides, options);
    const { pruned, dense } = sides;
    const { source, context, windows, bosTokenId } = pruned.prepared.text;
    return {
      ...measured,
      data: source.source,
      context,
      windows,
      ...(bosTokenId !== undefined && { bosTokenId }),
      tokens: windows * (context - 1),
      seconds: (performance.now() - started) / 1000,
      peakRssBytes: peakRssBytes(),
      notes: [...new Set([...(dense?.notes ?? []), ...pruned.notes])],
    };
  } catch (error) {
    if (options.signal?.aborted && !(error instanceof RequestError))
      throw new InterruptedError('interrupted');
    throw error;
  }
}
