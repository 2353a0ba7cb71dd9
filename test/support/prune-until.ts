/** Runs that are stopped on the way. */
import { expect } from 'vitest';
import { InterruptedError, type PruneOptions, prune } from '../../src/index.js';
import type { ProgressEvent } from '../../src/pipeline/progress/progress.js';

/** Once a block is pruned, written and in the journal. */
export function isPrunedBlock(event: ProgressEvent): boolean {
  return event.kind === 'block' && event.stage === 'prune';
}

/** Stops a run at the first event that is asked for, expects that it says so, and gives the words. */
export async function pruneUntil(
  path: string,
  stopsAt: (event: ProgressEvent) => boolean,
  options: PruneOptions = {},
): Promise<string> {
  const controller = new AbortController();
  const stopped = prune(path, {
    ...options,
    signal: controller.signal,
    onProgress: (event) => {
      if (stopsAt(event)) controller.abort();
    },
  });
  const error = await stopped.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(InterruptedError);
  return (error as InterruptedError).message;
}
