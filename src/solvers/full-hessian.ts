/**
 * H = (2/tokens)·XᵀX, or its inverse, as a full symmetric matrix that rows of weights are multiplied with.
 * @module
 */
import type { WorkerPool } from '../runtime/worker-pool.js';
import { gramStrips } from '../statistics/gram-layout.js';
import type { GramRef } from '../statistics/group-statistics.js';
import { allocateNative, freeNative, type NativeRegion } from '../system/native-memory.js';
import { fullStrip } from './full-hessian-task.js';
import { inversionBytes, invertSymmetric } from './invert-symmetric.js';

const TASKS = 'solvers/full-hessian-task';

/** f32 bytes of a full matrix and of what inverting it takes. */
export function fullHessianBytes(n: number): number {
  return n * n * 4 + inversionBytes(n);
}

/** Room for one full matrix over the features of a Gram matrix; the caller disposes of it. */
export class FullHessian {
  readonly #pool: WorkerPool;
  readonly #gram: GramRef;
  readonly #matrix: NativeRegion;

  constructor(pool: WorkerPool, gram: GramRef) {
    this.#pool = pool;
    this.#gram = gram;
    this.#matrix = allocateNative(gram.size ** 2 * 4);
  }

  /** Of the matrix, [features, features] f32. */
  get address(): bigint {
    return this.#matrix.address;
  }

  /** Fills the room with H, its diagonal replaced by the given one. */
  async fill(diagonal: Float64Array): Promise<void> {
    const { address } = this.#matrix;
    const gram = this.#gram;
    const tasks = gramStrips(gram.size).map((strip) => ({
      gram,
      strip,
      address,
      diagonal: diagonal.slice(strip.first, strip.first + strip.width),
    }));
    await this.#pool.map(TASKS, fullStrip, tasks);
  }

  /**
   * Fills the room with the inverse of H with that diagonal.
   *
   * @returns the feature at which that failed, and the room holds nothing of use; undefined when it didn't
   */
  async fillInverse(diagonal: Float64Array): Promise<number | undefined> {
    await this.fill(diagonal);
    return await invertSymmetric(this.#pool, this.#matrix.address, this.#gram.size);
  }

  dispose(): void {
    freeNative(this.#matrix);
  }
}
