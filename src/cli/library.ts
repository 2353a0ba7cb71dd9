/**
 * What the command line needs from the library, so that it can also be run against another one.
 * @module
 */
import type { ProgressListener } from '../pipeline/progress.js';
import type { Perplexity, Report } from '../report/report-schema.js';

export interface PruneOptions {
  /** Overrides of the run file, `key.path=value`. */
  readonly set?: string[];
  /** Throws away an unfinished or finished output instead of going on with it. */
  readonly fresh?: boolean;
  readonly onProgress?: ProgressListener;
  readonly signal?: AbortSignal;
}

export interface PruneResult {
  /** The folder of the pruned checkpoint. */
  readonly output: string;
  /** The output was finished before; nothing was done. */
  readonly alreadyDone: boolean;
  readonly report: Report;
}

/** One linear of a plan; `pattern` is `dense` where a rule keeps it. */
export interface PlannedLayer {
  readonly name: string;
  readonly shape: readonly [number, number];
  readonly numel: number;
  /** Sparsity asked for. */
  readonly target: number;
  readonly pattern: string;
  readonly zeros: number;
}

/** What a run would do and cost, before it does anything. */
export interface Plan {
  readonly model: string;
  readonly method: string;
  readonly layers: readonly PlannedLayer[];
  readonly totals: {
    readonly prunable: number;
    readonly zeros: number;
    readonly sparsity: number;
    readonly parameters: number;
  };
  readonly bytes: { readonly read: number; readonly written: number; readonly scratch: number };
  readonly flops: {
    readonly forward: number;
    readonly gram: number;
    readonly solve: number;
    readonly propagate: number;
    readonly evaluation: number;
  };
  readonly memory: {
    readonly peakBytes: number;
    readonly parts: readonly { readonly name: string; readonly bytes: number }[];
  };
  readonly seconds: { readonly prune: number; readonly evaluation: number };
  readonly workers: number;
  readonly notes: readonly string[];
}

export interface EvaluateOptions {
  readonly data: string;
  readonly context?: number;
  readonly windows?: number;
  /** A second checkpoint to compare with, usually the dense one. */
  readonly baseline?: string;
  readonly workers?: number;
  readonly onProgress?: ProgressListener;
  readonly signal?: AbortSignal;
}

export interface EvaluateResult {
  readonly checkpoint: Perplexity;
  readonly baseline?: Perplexity;
  readonly data: string;
  readonly context: number;
  readonly windows: number;
  /** Predicted tokens. */
  readonly tokens: number;
  readonly seconds: number;
  readonly peakRssBytes: number;
}

export interface InspectedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly numel: number;
  readonly zeros: number;
  readonly sparsity: number;
  readonly prunable: boolean;
  /** Groups that keep more weights than the pattern allows; present when a pattern was asked about. */
  readonly violations?: number;
}

export interface InspectResult {
  readonly folder: string;
  readonly tensors: readonly InspectedTensor[];
  readonly totals: {
    readonly parameters: number;
    readonly zeros: number;
    readonly prunable: number;
    readonly prunableZeros: number;
    readonly bytes: number;
  };
  readonly pattern?: string;
}

/** The part of the package's exports that the commands call. */
export interface Library {
  prune(runFile: string, options?: PruneOptions): Promise<PruneResult>;
  plan(runFile: string, options?: { readonly set?: string[] }): Promise<Plan>;
  evaluate(checkpoint: string, options: EvaluateOptions): Promise<EvaluateResult>;
  inspect(checkpoint: string, options?: { readonly pattern?: string }): Promise<InspectResult>;
  runSchema(): object;
  renderReport(output: string): Promise<string>;
}
