/**
 * Perplexity of a checkpoint, and of another one to compare with.
 * @module
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadEvaluationText } from '../calibration/load-calibration.js';
import { loadTokenizer } from '../calibration/tokenizer.js';
import { openCheckpoint } from '../checkpoint/checkpoint.js';
import type { TextSource } from '../config/text-source.js';
import { checkpointModel } from '../forward/checkpoint-model.js';
import { ModelStream } from '../forward/model-stream.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import { type EvaluationPhase, evaluateModel } from './evaluate-model.js';
import { type PerplexityEstimate, perplexity } from './perplexity.js';
import { requireScratchSpace } from './scratch-space.js';

export interface CheckpointEvaluation {
  readonly estimate: PerplexityEstimate;
  readonly context: number;
  readonly windows: number;
  /** The path, or `hf://…` with the commit. */
  readonly source: string;
  readonly notes: readonly string[];
}

export interface CheckpointEvaluationOptions {
  readonly data: TextSource;
  /** Tokens a window; capped at the model's limit. */
  readonly context: number;
  /** How many windows from the start; all when left out. */
  readonly windows?: number | undefined;
  /** Ends the reading of text from the hub. */
  readonly signal?: AbortSignal | undefined;
  onStart?(blocks: number, tokens: number): void;
  onStep?(phase: EvaluationPhase, block: number, done: number, total: number): void;
  onBlock?(block: number, seconds: number): void;
}

/**
 * Hidden states lie in the system's temporary folder.
 * @throws RequestError for a folder, text or number of windows that can't be evaluated, or that has no room there
 */
export async function evaluateCheckpoint(
  pool: WorkerPool,
  folder: string,
  options: CheckpointEvaluationOptions,
): Promise<CheckpointEvaluation> {
  const checkpoint = await openCheckpoint(folder);
  const { model, locate } = checkpointModel(checkpoint);
  const tokenizer = await loadTokenizer(checkpoint.folder);
  const request = {
    context: options.context,
    maxSequenceLength: model.maxSequenceLength,
    vocabularySize: model.vocabularySize,
    ...(options.windows === undefined ? {} : { windows: options.windows }),
  };
  const text = await loadEvaluationText(options.data, tokenizer, request, { signal: options.signal });
  const stream = new ModelStream(model, pool);
  requireScratchSpace(tmpdir(), text.windows, text.windows * stream.recordBytes(text.context));
  options.onStart?.(model.blocks.length, text.windows * text.context);
  const scratch = mkdtempSync(join(tmpdir(), 'secateur-'));
  try {
    const set = { ids: text.tokens, windows: text.windows, tokens: text.context };
    const [losses] = await evaluateModel(stream, locate, [set], { ...options, folder: scratch });
    if (!losses) throw new Error('no losses');
    return {
      estimate: perplexity(losses),
      context: text.context,
      windows: text.windows,
      source: text.source.source,
      notes: [...checkpoint.notes, ...text.notes],
    };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
    stream.dispose();
  }
}
