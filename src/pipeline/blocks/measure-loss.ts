/**
 * What the model's cross-entropy becomes when weights of the block at work go. Many ablations pass through the rest of the
 * model together, so that each later block is loaded once for all of them: their hidden states are records of one file, as
 * those of windows are. The block's own weights wait in a file meanwhile, so that one block is in memory at a time.
 * @module
 */
import { join } from 'node:path';
import { firstTokens } from '../../calibration/first-tokens.js';
import type { CalibrationSet } from '../../calibration/load-calibration.js';
import { type MeanEstimate, meanEstimate } from '../../evaluation/mean-estimate.js';
import { copyStates } from '../../forward/copy-states.js';
import { hiddenFile } from '../../forward/hidden-file.js';
import { HiddenStates } from '../../forward/hidden-states.js';
import { type ModelStream, wholeRecordBytes } from '../../forward/model-stream.js';
import type { Locate } from '../../forward/model-tensors.js';
import { storeElements } from '../../forward/store-task.js';
import { elementCount } from '../../graph/value.js';
import type { BlockDescription, ModelDescription } from '../../model/description.js';
import { partsOf } from '../../runtime/parts.js';
import type { TensorRef } from '../../runtime/tensor-ref.js';
import type { WorkerPool } from '../../runtime/worker-pool.js';
import { float32View } from '../../system/native-memory.js';
import { releaseFile } from '../../system/release-file.js';
import { makeSizedFile } from '../dense/make-sized-file.js';
import type { Ablation, LossNeeds } from '../methods/method.js';
import type { PreparedRun } from '../prepare/prepare-run.js';

/** Disk for the states of ablations that pass through the model together; beyond it they go one batch after another. */
const BATCH_BYTES = 1e9;
/** Ablations of a batch at most: with so many, loading a block takes next to nothing beside computing with it. */
const BATCH_ABLATIONS = 64;
/** An id, four f64, and what passes between threads for a slice of the vocabulary. */
const TOKEN_BYTES = 52;
/** Elements of a block's weights that one task writes. */
const TASK_ELEMENTS = 4_194_304;

/** Ablations that pass through the model together; of the first, one is none. */
export function batchSize(model: ModelDescription, { windows, tokens }: LossNeeds): number {
  const most = Math.floor(BATCH_BYTES / (windows * wholeRecordBytes(model, tokens)));
  return Math.max(2, Math.min(BATCH_ABLATIONS, most));
}

/** Bytes of a block's weights in a file. */
function savedBytes({ tensors }: BlockDescription): number {
  return tensors.reduce((sum, { shape }) => sum + elementCount(shape) * 4, 0);
}

/** Disk that measuring takes: the inputs of a block, the states of a batch, and a block's weights. */
export function lossBytes(model: ModelDescription, loss: LossNeeds): number {
  const records = loss.windows * (1 + batchSize(model, loss));
  return records * wholeRecordBytes(model, loss.tokens) + Math.max(...model.blocks.map(savedBytes));
}

/** Bytes that are held for the tokens of a batch: what each is and predicts, and what is summed of its logits. */
export function lossTokenBytes(model: ModelDescription, loss: LossNeeds): number {
  return batchSize(model, loss) * loss.windows * loss.tokens * TOKEN_BYTES;
}

export interface LossMeterOptions {
  readonly run: Pick<PreparedRun, 'locate' | 'model'>;
  /** With as many windows and tokens as there are. */
  readonly loss: LossNeeds;
  readonly calibration: CalibrationSet;
  readonly pool: WorkerPool;
  readonly stream: ModelStream;
  /** For the hidden states and the block's weights. */
  readonly folder: string;
}

/**
 * The change of the cross-entropy for each ablation alone, nats a token, with the standard error between windows. The
 * weights are the same, and in the same place, afterwards.
 *
 * @param onDone told how many are measured, and of how many
 */
export type LossChanges = (
  ablations: readonly Ablation[],
  onDone?: (done: number, total: number) => void,
) => Promise<MeanEstimate[]>;

export class LossMeter {
  readonly #options: LossMeterOptions;
  readonly #batch: number;
  /** The inputs of the block, and after them a batch. */
  readonly #states: HiddenStates;
  readonly #weightsPath: string;
  /** [windows · tokens] */
  readonly #tokens: Int32Array;
  #index = 0;

  /** @throws RequestError or RunError naming the file that can't be made */
  constructor(options: LossMeterOptions) {
    const { loss, run, folder } = options;
    const { model } = run;
    this.#options = options;
    this.#batch = batchSize(model, loss);
    this.#tokens = firstTokens(options.calibration, loss);
    this.#states = new HiddenStates(
      hiddenFile(folder, 'loss'),
      loss.windows * (1 + this.#batch),
      loss.tokens,
      model.hiddenSize,
      wholeRecordBytes(model, loss.tokens),
    );
    this.#weightsPath = join(folder, 'block.f32');
    makeSizedFile(this.#weightsPath, Math.max(...model.blocks.map(savedBytes)));
  }

  /** Keeps the inputs of a block, whose record loses them while it is being pruned. @param states of all windows */
  async start(index: number, states: HiddenStates): Promise<void> {
    const { pool, loss } = this.#options;
    this.#index = index;
    await copyStates(pool, states, [...Array(loss.windows).keys()], this.#states, states.hiddenSize);
  }

  /**
   * Measures what ablations make of the block as it is at the first call, which measures that too; the weights have to be
   * the same at the others.
   *
   * @param weights of the block at work, which `loadBlock` gave
   */
  changesOf(weights: Readonly<Record<string, TensorRef>>): LossChanges {
    let before: Float64Array | undefined;
    return async (ablations, onDone = () => {}) => {
      const results: MeanEstimate[] = [];
      for (const { first, count } of partsOf(ablations.length, this.#batch - 1)) {
        const batch = ablations.slice(first, first + count);
        const losses: Float64Array[] = await this.#losses(weights, before ? batch : [undefined, ...batch]);
        before ??= losses.shift() as Float64Array;
        const dense = before;
        for (const each of losses) {
          results.push(meanEstimate(each.map((loss, window) => loss - (dense[window] as number))));
        }
        onDone(results.length, ablations.length);
      }
      return results;
    };
  }

  dispose(): void {
    this.#states.dispose();
    releaseFile(this.#weightsPath);
  }

  /** Of every window, with each ablation. */
  async #losses(
    weights: Readonly<Record<string, TensorRef>>,
    ablations: readonly (Ablation | undefined)[],
  ): Promise<Float64Array[]> {
    const { run, pool, stream, loss } = this.#options;
    const { blocks } = run.model;
    const { windows } = loss;
    const block = blocks[this.#index] as BlockDescription;
    for (const [index, ablation] of ablations.entries()) {
      const records = this.#states.range(windows * (1 + index), windows);
      const inputs = [...Array(windows).keys()];
      await copyStates(pool, this.#states, inputs, records, run.model.hiddenSize);
      const restore = ablation && ablate(ablation);
      await stream.propagate(block, weights, records);
      restore?.();
    }
    await this.#save(block, weights);
    const source = run.locate;
    const records = this.#states.range(windows, windows * ablations.length);
    for (const later of blocks.slice(this.#index + 1)) {
      await stream.runBlock(later, await stream.loadBlock(later, source), records, source);
    }
    const tokens = new Int32Array(records.windows * loss.tokens);
    for (const index of ablations.keys()) tokens.set(this.#tokens, index * this.#tokens.length);
    const losses = await stream.crossEntropy(records, tokens, source);
    await stream.loadBlock(block, this.#saved(block));
    return ablations.map((_, index) => losses.slice(index * windows, (index + 1) * windows));
  }

  /** Writes the block's weights into their file, to the bit. */
  async #save(block: BlockDescription, weights: Readonly<Record<string, TensorRef>>): Promise<void> {
    const saved = this.#saved(block);
    const tasks = block.tensors.flatMap(({ name }) => {
      const { file, offset, dtype, shape } = saved(block.prefix + name);
      const { address = 0n } = weights[name] ?? {};
      return partsOf(elementCount(shape), TASK_ELEMENTS).map(({ first, count }) => ({
        name: block.prefix + name,
        source: address + BigInt(first * 4),
        elements: count,
        firstIndex: first,
        dtype,
        file,
        offset: offset + first * 4,
      }));
    });
    await this.#options.pool.map('forward/store-task', storeElements, tasks);
  }

  /** Where the tensors of a block lie in the file of weights. */
  #saved({ prefix, tensors }: BlockDescription): Locate {
    const offsets = new Map<string, { readonly offset: number; readonly shape: readonly number[] }>();
    let offset = 0;
    for (const { name, shape } of tensors) {
      offsets.set(prefix + name, { offset, shape });
      offset += elementCount(shape) * 4;
    }
    return (name) => {
      const place = offsets.get(name);
      if (!place) throw new Error(`${name} was not saved`);
      return { name, file: this.#weightsPath, dtype: 'F32', ...place };
    };
  }
}

/** Zeroes the weights, and returns what brings them back. */
function ablate({ linear, indices }: Ablation): () => void {
  const { address, shape } = linear.weights;
  const weights = float32View(address, elementCount(shape));
  const places = indices();
  const values = new Float32Array(places.length);
  for (const [at, place] of places.entries()) {
    values[at] = weights[place] as number;
    weights[place] = 0;
  }
  return () => {
    for (const [at, place] of places.entries()) weights[place] = values[at] as number;
  };
}
