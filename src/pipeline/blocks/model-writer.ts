/**
 * Writes a model's tensors into a new checkpoint, whether they are stored by themselves or as parts of others.
 * @module
 */
import type { CheckpointWriter } from '../../checkpoint/checkpoint-writer.js';
import { type Locate, locateTensors } from '../../forward/model-tensors.js';
import { isFloatDtype } from '../../forward/stored-tensor.js';
import { elementCount } from '../../graph/value.js';
import { describedTensors, storedName } from '../../model/check-tensors.js';
import type { ModelDescription, TensorDescription } from '../../model/description.js';
import { type EncodedTensors, heldBy } from '../../quantization/encoded-tensors.js';
import { isInterleaved } from '../../runtime/tensor-file.js';

/** What becomes of a stored tensor. */
export type StoredFate =
  /** None of its parts is pruned. */
  | 'kept'
  /** Some of its parts are. */
  | 'mixed'
  | 'pruned';

export class ModelWriter {
  /** The tensors of the checkpoint themselves. */
  readonly stored: CheckpointWriter;
  /** Described tensors as they lie in the output so far. */
  readonly locate: Locate;
  readonly #pruned: ReadonlyMap<string, TensorDescription>;
  readonly #encoded: ReadonlyMap<string, EncodedTensors>;
  /** By stored tensor, the parts that are pruned. */
  readonly #parts = new Map<string, TensorDescription[]>();
  /** Of these, the ones that aren't complete yet. */
  readonly #pending = new Map<string, Set<string>>();
  readonly #claimed = new Set<string>();
  /** By stored tensor, the end of what was last begun in turn. */
  readonly #turns = new Map<string, Promise<unknown>>();

  /**
   * @param pruned full names of the described tensors that are pruned
   * @param encoded what is written as codes and scales, by the name of what these stand for
   */
  constructor(
    stored: CheckpointWriter,
    model: ModelDescription,
    pruned: ReadonlySet<string>,
    encoded: ReadonlyMap<string, EncodedTensors>,
  ) {
    this.stored = stored;
    this.#encoded = encoded;
    this.locate = locateTensors(model, (name) => {
      const codes = encoded.get(name);
      if (codes) {
        const file = codes.file((own) => stored.locate(own));
        return { name, file, offset: 0, dtype: 'F32', shape: codes.shape };
      }
      const { path, offset, dtype, shape } = stored.locate(name);
      if (!isFloatDtype(dtype)) throw new Error(`${name} is stored as ${dtype}`);
      return { name, file: path, offset, dtype, shape };
    });
    const tensors = describedTensors(model).filter(({ name }) => pruned.has(name));
    this.#pruned = new Map(tensors.map((tensor) => [tensor.name, tensor]));
    for (const tensor of tensors) {
      const name = storedName(tensor);
      this.#parts.set(name, [...(this.#parts.get(name) ?? []), tensor]);
      this.#pending.set(name, (this.#pending.get(name) ?? new Set()).add(tensor.name));
    }
  }

  /** The output's tensors that hold one of the source's, codes before scales. */
  heldBy(name: string): string[] {
    return heldBy(this.#encoded, name);
  }

  /** What becomes of a tensor of the checkpoint. */
  fate(name: string): StoredFate {
    const parts = this.#parts.get(name) ?? [];
    const [first] = parts;
    if (!first) return 'kept';
    const pruned = parts.reduce((sum, { shape }) => sum + elementCount(shape), 0);
    return pruned === elementCount((first.stored ?? first).shape) ? 'pruned' : 'mixed';
  }

  /**
   * Whether a tensor of the checkpoint is asked for the first time: the experts of a block share tensors that hold parts of all
   * of them.
   */
  claim(name: string): boolean {
    if (this.#claimed.has(name)) return false;
    this.#claimed.add(name);
    return true;
  }

  /** Writes a pruned tensor, after those that are interleaved with it and were begun before. */
  async inTurn<Result>(name: string, write: () => Promise<Result>): Promise<Result> {
    if (!isInterleaved(this.locate(name).file)) return await write();
    const whole = this.#storedName(name);
    const turn = (this.#turns.get(whole) ?? Promise.resolve()).then(write);
    this.#turns.set(
      whole,
      turn.catch(() => {}),
    );
    return await turn;
  }

  /** Says that so many more elements of a pruned tensor have been written. */
  wrote(name: string, elements: number): void {
    const [holder = name] = this.heldBy(this.#storedName(name));
    const { stored, shape } = this.#prunedTensor(name);
    const { bytes } = this.stored.locate(holder);
    this.stored.wrote(holder, (elements * bytes) / elementCount((stored ?? { shape }).shape));
  }

  /** Says that every byte of a pruned tensor has been written; with the last part the stored tensor is complete. */
  async complete(name: string): Promise<void> {
    const whole = this.#storedName(name);
    const pending = this.#pending.get(whole);
    pending?.delete(name);
    if (!pending || pending.size === 0) await this.completeWhole(whole);
  }

  /** Says that every byte of what holds a tensor of the source has been written. */
  async completeWhole(name: string): Promise<void> {
    for (const own of this.heldBy(name)) await this.stored.complete(own);
  }

  #storedName(name: string): string {
    return storedName(this.#prunedTensor(name));
  }

  #prunedTensor(name: string): TensorDescription {
    const tensor = this.#pruned.get(name);
    if (!tensor) throw new Error(`${name} is not pruned`);
    return tensor;
  }
}
