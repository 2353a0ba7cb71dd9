/**
 * What the stages of a run say of their memory.
 * @module
 */
import type { MemorySettings } from '../prepare/memory-settings.js';

export interface MemoryPart {
  readonly name: string;
  readonly bytes: number;
}

/** What is in memory at the same time. */
export interface MemoryMoment {
  /** What the run is doing then. */
  readonly moment: string;
  readonly parts: readonly MemoryPart[];
}

/** What every worker has beside the intermediate values of its sessions, by what it does. */
export type Work = 'nothing with graphs' | 'evaluating' | 'pruning' | 'differentiating';

/** Parts that all stages have. */
export interface CommonParts {
  process(work: Work): MemoryPart;
  /** @param sessions the bytes of the intermediate values of each session */
  activations(sessions: readonly number[]): MemoryPart;
  /** Of which tokens go to which experts. @param tokens of all windows */
  routing(tokens: number): MemoryPart;
  /** Of one block, in f32. */
  readonly weights: MemoryPart;
}

/** A stage of a run; what doesn't depend on the settings is computed when it is made. */
export interface StageMemory {
  /** What a worker reads windows into and writes them from; it stays until the worker ends. */
  readonly buffers: number;
  moments(settings: MemorySettings, common: CommonParts): readonly MemoryMoment[];
}
