/**
 * What the stages of a run work with.
 * @module
 */
import { ModelStream } from '../forward/model-stream.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import type { ModelWriter } from './blocks/model-writer.js';
import type { Reuse } from './dense/reuse.js';
import type { PreparedRun } from './prepare/prepare-run.js';
import type { ProgressListener } from './progress/progress.js';

export interface StageContext {
  readonly run: PreparedRun;
  readonly pool: WorkerPool;
  readonly writer: ModelWriter;
  /** The run's own, within the output. */
  readonly folder: string;
  readonly reuse: Reuse | undefined;
  readonly onProgress: ProgressListener;
}

/** Gives each stage a stream of its own, so that none keeps the memory of the one before. */
export async function withStream<T>(
  { run, pool }: StageContext,
  work: (stream: ModelStream) => Promise<T>,
): Promise<T> {
  const stream = new ModelStream(run.model, pool, run.memory.logitTokens);
  try {
    return await work(stream);
  } finally {
    stream.dispose();
  }
}
