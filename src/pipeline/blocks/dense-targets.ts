/**
 * The calibration windows in the dense model, a step ahead of those in the model that is being pruned.
 * @module
 */
import type { CalibrationSet } from '../../calibration/load-calibration.js';
import { hiddenFile } from '../../forward/hidden-file.js';
import { HiddenStates, type StateRecords } from '../../forward/hidden-states.js';
import type { ModelStream } from '../../forward/model-stream.js';
import type { Locate } from '../../forward/model-tensors.js';
import { type BlockPass, type BlockPasses, outputPasses, pruningPasses } from '../../graph/block-passes.js';
import type { BlockDescription } from '../../model/description.js';
import type { TensorRef } from '../../runtime/tensor-ref.js';
import type { WorkerPool } from '../../runtime/worker-pool.js';
import { TargetCollector } from '../../statistics/collect-targets.js';
import type { PreparedRun } from '../prepare/prepare-run.js';
import { recordBytes } from '../prepare/prune-plans.js';

export interface DenseTargetsOptions {
  readonly run: PreparedRun;
  readonly pool: WorkerPool;
  readonly stream: ModelStream;
  readonly calibration: CalibrationSet;
  /** For the hidden states. */
  readonly folder: string;
}

type Weights = Readonly<Record<string, TensorRef>>;

export class DenseTargets {
  readonly #stream: ModelStream;
  readonly #tokens: Int32Array;
  readonly #states: HiddenStates;
  readonly #collector: TargetCollector;

  constructor({ run, pool, stream, calibration, folder }: DenseTargetsOptions) {
    this.#stream = stream;
    this.#tokens = calibration.tokens;
    this.#states = new HiddenStates(
      hiddenFile(folder, 'dense'),
      run.windows,
      calibration.sequenceLength,
      run.model.hiddenSize,
      recordBytes(run),
    );
    this.#collector = new TargetCollector(pool, stream.graphs, run.memory.activations);
  }

  async embed(source: Locate): Promise<void> {
    await this.#stream.embed(this.#states, this.#tokens, source);
  }

  /** A block that an earlier run has pruned. @param weights as in the source */
  async propagate(block: BlockDescription, weights: Weights): Promise<void> {
    await this.#stream.propagate(block, weights, this.#states);
  }

  /** Before the first pass of a block. @param weights all of them as in the source */
  async enter(passes: BlockPasses, weights: Weights): Promise<void> {
    await this.#run(passes, 0, weights);
  }

  /**
   * After a pass of the model that is being pruned, and before anything is pruned that reads what it measured.
   *
   * @param weights those that have not been pruned yet as in the source
   * @param pruned the windows as the pass has left them
   * @returns as `TargetCollector.collect`
   */
  async measure(
    passes: BlockPasses,
    pass: BlockPass,
    weights: Weights,
    pruned: StateRecords,
  ): Promise<ReadonlyMap<string, TensorRef>> {
    const sums = await this.#collector.collect({ passes, pass, weights, pruned, dense: this.#states });
    await this.#run(passes, pass.index + 1, weights);
    return sums;
  }

  /** Once what was measured last isn't needed any more. */
  release(): void {
    this.#collector.discard();
  }

  /** The windows; after the last pass of a block its output lies at the start of their records. */
  get states(): StateRecords {
    return this.#states.range(0, this.#states.windows);
  }

  dispose(): void {
    this.#collector.dispose();
    this.#states.dispose();
  }

  /** The pass at which something is measured next, or all that are left. */
  async #run(passes: BlockPasses, index: number, weights: Weights): Promise<void> {
    const next = pruningPasses(passes)[index];
    await this.#stream.runPasses(passes, next ? [next] : outputPasses(passes), weights, this.#states);
  }
}
