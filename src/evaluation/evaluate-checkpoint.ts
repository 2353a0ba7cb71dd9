/**
 * Perplexity of a checkpoint, and of another one to compare with.
 * @module
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EvaluationText, loadEvaluationText } from '../calibration/load-calibration.js';
import { loadTokenizer } from '../calibration/tokenizer.js';
import { openCheckpoint } from '../checkpoint/checkpoint.js';
import type { BosOption } from '../config/bos-option.js';
import type { TextSource } from '../config/text-source.js';
import { checkpointModel } from '../forward/checkpoint-model.js';
import { ModelStream, streamBytes, wholeRecordBytes } from '../forward/model-stream.js';
import type { Locate } from '../forward/model-tensors.js';
import type { ModelDescription } from '../model/description.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import { allocateNative, freeNative } from '../system/native-memory.js';
import { type EvaluationPhase, evaluateModel } from './evaluate-model.js';
import { type PerplexityEstimate, perplexity } from './perplexity.js';
import { requireScratchSpace } from './scratch-space.js';

/** A checkpoint and the windows that it is evaluated on; its weights are on the disk still. */
export interface PreparedEvaluation {
  readonly model: ModelDescription;
  readonly locate: Locate;
  readonly text: EvaluationText;
  readonly notes: readonly string[];
}

export interface EvaluationTextOptions {
  readonly data: TextSource;
  /** Tokens a window; capped at the model's limit. */
  readonly context: number;
  /** How many windows from the start; all when left out. */
  readonly windows?: number | undefined;
  readonly bos: BosOption;
  /** Ends the reading of text from the hub. */
  readonly signal?: AbortSignal | undefined;
}

export interface CheckpointEvaluationOptions {
  onStep?(phase: EvaluationPhase, block: number, done: number, total: number): void;
  onBlock?(block: number, seconds: number): void;
}

/**
 * All of an evaluation that can be refused.
 * @throws RequestError for a folder, text or number of windows that can't be evaluated, or hidden states that have no room;
 *   RunError when the system refuses the memory, or the hub fails; the signal's reason when it is aborted
 */
export async function prepareEvaluation(
  folder: string,
  options: EvaluationTextOptions,
): Promise<PreparedEvaluation> {
  const checkpoint = await openCheckpoint(folder);
  const { model, locate } = checkpointModel(checkpoint);
  // Only asked for: pages are taken when they are used.
  freeNative(allocateNative(streamBytes(model)));
  const tokenizer = await loadTokenizer(checkpoint.folder);
  const request = {
    context: options.context,
    maxSequenceLength: model.maxSequenceLength,
    vocabularySize: model.vocabularySize,
    beginsWithBos: model.beginsWithBos,
    bos: options.bos,
    prefix: '',
    ...(options.windows === undefined ? {} : { windows: options.windows }),
  };
  const text = await loadEvaluationText(options.data, tokenizer, request, { signal: options.signal });
  requireScratchSpace(tmpdir(), text.windows, text.windows * wholeRecordBytes(model, text.context));
  return { model, locate, text, notes: [...checkpoint.notes, ...text.notes] };
}

/** Hidden states lie in the system's temporary folder. @throws RunError for a weight that isn't finite, or a file that fails */
export async function evaluateCheckpoint(
  pool: WorkerPool,
  { model, locate, text }: PreparedEvaluation,
  options: CheckpointEvaluationOptions = {},
): Promise<PerplexityEstimate> {
  const stream = new ModelStream(model, pool);
  const scratch = mkdtempSync(join(tmpdir(), 'secateur-'));
  try {
    const set = { ids: text.tokens, windows: text.windows, tokens: text.context };
    const [losses] = await evaluateModel(stream, locate, [set], { ...options, folder: scratch });
    if (!losses) throw new Error('no losses');
    return perplexity(losses);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
    stream.dispose();
  }
}
