/**
 * Keeps a run within the memory that it may use.
 * @module
 */
import { RequestError } from '../../errors.js';
import { formatBytes, formatPlural } from '../../report/format.js';
import { availableMemory } from '../../system/available-memory.js';
import { type MemoryEstimate, memoryEstimator } from '../estimates/estimate-memory.js';
import { type MemorySettings, shrinkingSettings } from './memory-settings.js';
import type { PreparedRun } from './prepare-run.js';

/** What a run may take beyond its estimate. */
const MARGIN = 1.2;

/** What is resident at the start differs by a few megabytes from run to run; what is called enough has to stay so. */
const REPEATABLE = 1.03;

/** The memory that a run with this estimate must be allowed. */
export function memoryNeeded({ peakBytes }: MemoryEstimate): number {
  return Math.ceil(peakBytes * MARGIN);
}

/** What `fitMemory` goes by; to be replaced in tests. */
export interface MemoryState {
  /** Resident in this process. */
  readonly resident: number;
  /** Beyond that, what the machine has. */
  readonly available: number;
}

/**
 * The run with the fastest settings that fit.
 *
 * @throws RequestError when not even the smallest do, with the limit under which they would
 */
export function fitMemory(
  run: PreparedRun,
  { resident, available }: MemoryState = {
    resident: process.memoryUsage.rss(),
    available: availableMemory(),
  },
): PreparedRun {
  const { memory_limit: asked } = run.config.resources;
  const limit = asked === 'auto' ? resident + available : asked;
  const estimate = memoryEstimator(run, resident);
  const candidates = shrinkingSettings(run.memory.workers);
  const memory = candidates.find((settings) => memoryNeeded(estimate(settings)) <= limit);
  if (!memory) {
    const smallest = Math.min(...candidates.map((settings) => memoryNeeded(estimate(settings))));
    // In whole megabytes, so that what is read here can be written into the run file.
    const megabytes = Math.ceil((smallest * REPEATABLE) / 1e6);
    const source = asked === 'auto' ? 'the machine has' : 'resources.memory_limit is';
    throw new RequestError(
      `the run needs at least ${megabytes} MB of memory, and ${source} ${formatBytes(limit)}; ` +
        `resources.memory_limit: ${megabytes}MB is the smallest that works${smaller(run)}`,
    );
  }
  const changes = describeChanges(run.memory, memory);
  if (changes.length === 0) return { ...run, memory };
  const note = `to stay within ${formatBytes(limit)} of memory: ${changes.join(', ')}`;
  return { ...run, memory, notes: [...run.notes, note] };
}

/** What of the run file would make the run smaller, as words that follow others. */
function smaller({ windows, gradients, evaluation, regional }: PreparedRun): string {
  const { optimisations = [] } = regional ?? {};
  if (optimisations.some(({ batch }) => batch > 1))
    return '; a smaller batch in prune.options or prune.update needs less';
  const inMethod = optimisations.some(({ pruned }) => pruned === 'in rounds');
  const inUpdate = optimisations.some(({ pruned }) => pruned === 'once before');
  const lengths = [
    ...(windows > 0 || gradients ? ['calibration.sequence_length'] : []),
    ...(evaluation ? ['evaluation.context'] : []),
  ];
  const tokens = [
    ...(gradients || regional?.gradients || inMethod ? ['prune.options.tokens'] : []),
    ...(inUpdate ? ['prune.update.tokens'] : []),
  ];
  const ways = [
    ...(lengths.length > 0 ? [`a shorter ${lengths.join(' and ')}`] : []),
    ...(tokens.length > 0 ? [`fewer ${tokens.join(' and ')}`] : []),
  ];
  return ways.length > 0 ? `; with ${ways.join(', or with ')}, it needs less` : '';
}

function describeChanges(roomy: MemorySettings, chosen: MemorySettings): string[] {
  return [
    ...(chosen.workers < roomy.workers
      ? [`${formatPlural(chosen.workers, 'worker')} instead of ${roomy.workers}`]
      : []),
    ...(chosen.oneLinear ? ['linears are pruned one after the other'] : []),
    ...(chosen.activations < roomy.activations
      ? [`activations of ${formatPlural(chosen.activations, 'range')} of tokens in memory at a time`]
      : []),
  ];
}
