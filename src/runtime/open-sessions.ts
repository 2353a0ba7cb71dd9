/**
 * The sessions that a pool's workers have open. They are memory of the process, which a thread that ends leaves behind.
 * @module
 */
import { onnxRuntime } from './onnxruntime.js';

/** More than workers come to have; what finds no place stays until the process ends. */
const PLACES = 4096;

export class OpenSessions {
  /** Addresses, 0 where there is none. */
  readonly #places: BigUint64Array;

  constructor(readonly buffer: SharedArrayBuffer = new SharedArrayBuffer(PLACES * 8)) {
    this.#places = new BigUint64Array(buffer);
  }

  add(session: bigint): void {
    for (let i = 0; i < this.#places.length; i++) {
      if (Atomics.compareExchange(this.#places, i, 0n, session) === 0n) return;
    }
  }

  remove(session: bigint): void {
    const place = this.#places.indexOf(session);
    if (place >= 0) Atomics.store(this.#places, place, 0n);
  }

  /** Releases all; no thread may be running one of them. */
  releaseAll(): void {
    for (const session of this.#places) {
      if (session === 0n) continue;
      onnxRuntime().release('session', session);
      this.remove(session);
    }
  }
}
