/**
 * Mutual exclusion between the worker threads of a pool.
 * @module
 */

const FREE = 0;
const HELD = 1;
/** Held, and others may wait for it. */
const AWAITED = 2;

/** A lock in memory that threads share (the second mutex of Drepper 2011, "Futexes Are Tricky"). */
export class SharedLock {
  readonly #state: Int32Array;

  constructor(readonly buffer: SharedArrayBuffer = new SharedArrayBuffer(4)) {
    this.#state = new Int32Array(buffer);
  }

  /** Does something while no other thread holds the lock. Blocks the thread until then. */
  hold<Result>(work: () => Result): Result {
    const state = this.#state;
    if (Atomics.compareExchange(state, 0, FREE, HELD) !== FREE) {
      while (Atomics.exchange(state, 0, AWAITED) !== FREE) Atomics.wait(state, 0, AWAITED);
    }
    try {
      return work();
    } finally {
      if (Atomics.exchange(state, 0, FREE) === AWAITED) Atomics.notify(state, 0, 1);
    }
  }
}
