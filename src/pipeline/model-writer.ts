/**
 * Writes a model's tensors into a new checkpoint, whether they are stored by themselves or as parts of others.
 * @module
 */
import type { CheckpointWriter } from '../checkpoint/checkpoint-writer.js';
import { type Locate, locateTensors } from '../forward/model-tensors.js';
import { isFloatDtype } from '../forward/stored-tensor.js';
import { elementCount } from '../graph/value.js';
import { describedTensors, storedName } from '../model/check-tensors.js';
import type { ModelDescription, TensorDescription } from '../model/description.js';

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
  /** By stored tensor, the parts that are pruned. */
  readonly #parts = new Map<string, TensorDescription[]>();
  /** Of these, the ones that aren't complete yet. */
  readonly #pending = new Map<string, Set<string>>();
  readonly #copied = new Set<string>();

  /** @param pruned full names of the described tensors that are pruned */
  constructor(stored: CheckpointWriter, model: ModelDescription, pruned: ReadonlySet<string>) {
    this.stored = stored;
    this.locate = locateTensors(model, (name) => {
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

  /** What becomes of a tensor of the checkpoint. */
  fate(name: string): StoredFate {
    const parts = this.#parts.get(name) ?? [];
    const [first] = parts;
    if (!first) return 'kept';
    const pruned = parts.reduce((sum, { shape }) => sum + elementCount(shape), 0);
    return pruned === elementCount((first.stored ?? first).shape) ? 'pruned' : 'mixed';
  }

  /**
   * Whether a tensor of the checkpoint has to be copied: not if everything in it is pruned, nor if that was asked before,
   * since the experts of a block share tensors that hold parts of all of them.
   */
  isToCopy(name: string): boolean {
    if (this.fate(name) === 'pruned' || this.#copied.has(name)) return false;
    this.#copied.add(name);
    return true;
  }

  /** Says that so many more bytes of a pruned tensor have been written. */
  wrote(name: string, bytes: number): void {
    this.stored.wrote(this.#storedName(name), bytes);
  }

  /** Says that every byte of a pruned tensor has been written; with the last part the stored tensor is complete. */
  async complete(name: string): Promise<void> {
    const whole = this.#storedName(name);
    const pending = this.#pending.get(whole);
    pending?.delete(name);
    if (!pending || pending.size === 0) await this.stored.complete(whole);
  }

  #storedName(name: string): string {
    const tensor = this.#pruned.get(name);
    if (!tensor) throw new Error(`${name} is not pruned`);
    return storedName(tensor);
  }
}
