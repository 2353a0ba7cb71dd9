/**
 * The checksum behind a Zstandard frame.
 * @see https://datatracker.ietf.org/doc/html/rfc8878#section-3.1.1
 * @module
 */
import { type Kernels, loadKernels } from '../../runtime/kernels.js';

const stateBytes = 32;
const stripeBytes = 32;

let instance: Kernels | undefined;

/** The low half of XXH64, with seed 0, of bytes that come one piece after the other. */
export class ContentChecksum {
  readonly #kernels: Kernels;
  readonly #state: Uint8Array;
  /** Not yet a stripe. */
  #rest = new Uint8Array();
  #total = 0;

  constructor() {
    instance ??= loadKernels();
    const kernels = instance;
    this.#kernels = kernels;
    this.#state = kernels.arena.borrow(stateBytes, (state) => {
      kernels.xxh64Begin(state);
      return kernels.u8(state, stateBytes).slice();
    });
  }

  update(bytes: Uint8Array): void {
    const length = this.#rest.length + bytes.length;
    this.#kernels.arena.borrow(stateBytes + length, (state) => {
      const memory = this.#fill(state, bytes);
      const stripes = Math.floor(length / stripeBytes);
      this.#kernels.xxh64Stripes(state, state + stateBytes, stripes);
      this.#state.set(memory.subarray(0, stateBytes));
      this.#rest = memory.slice(stateBytes + stripes * stripeBytes);
    });
    this.#total += bytes.length;
  }

  /** Of all bytes so far, 32 bits. */
  value(): number {
    return this.#kernels.arena.borrow(stateBytes + this.#rest.length, (state) => {
      this.#fill(state);
      return this.#kernels.xxh64End(state, state + stateBytes, this.#total);
    });
  }

  /** Puts state, rest and more bytes one behind the other. */
  #fill(place: number, bytes: Uint8Array = new Uint8Array()): Uint8Array<ArrayBuffer> {
    const memory = this.#kernels.u8(place, stateBytes + this.#rest.length + bytes.length);
    memory.set(this.#state);
    memory.set(this.#rest, stateBytes);
    memory.set(bytes, stateBytes + this.#rest.length);
    return memory;
  }
}
