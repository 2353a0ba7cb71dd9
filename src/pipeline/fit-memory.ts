/**
 * Keeps a run within the memory that it may use.
 * @module
 */
import { freemem } from 'node:os';
import { RequestError } from '../errors.js';
import { estimateMemory } from './estimate.js';
import type { PreparedRun } from './prepare-run.js';

/**
 * The run with as many of its workers as fit.
 *
 * @throws RequestError when not even one worker does, with the memory that would be enough
 */
export function fitMemory(run: PreparedRun): PreparedRun {
  const { memory_limit: asked } = run.config.resources;
  const limit = asked === 'auto' ? freemem() : asked;
  const need = (workers: number) =>
    estimateMemory({ ...run, workers }).reduce((sum, { bytes }) => sum + bytes, 0);
  let { workers } = run;
  while (workers > 1 && need(workers) > limit) workers--;
  const megabytes = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`;
  if (need(workers) > limit) {
    const source = asked === 'auto' ? 'the machine has' : 'resources.memory_limit is';
    throw new RequestError(
      `the run needs about ${megabytes(need(1))} with one worker, and ${source} ${megabytes(limit)}; ` +
        'shorter calibration sequences need less',
    );
  }
  if (workers === run.workers) return run;
  const note = `${workers} workers instead of ${run.workers}, to stay within ${megabytes(limit)} of memory`;
  return { ...run, workers, notes: [...run.notes, note] };
}
