/**
 * H = (2/tokens)·XᵀX, or its inverse, as a full symmetric matrix that rows of weights are multiplied with.
 * @module
 */
import type { WorkerPool } from '../runtime/worker-pool.js';
import { gramStrips, stripElements } from '../statistics/gram-layout.js';
import type { GramRef } from '../statistics/group-statistics.js';
import { allocateNative, freeNative, type NativeRegion } from '../system/native-memory.js';
import { columnBlocks, reversedStrips } from './column-blocks.js';
import { factorHessian } from './factor-hessian.js';
import { fullStrip, inverseStrip } from './full-hessian-task.js';

/** Columns of the factor's strips: few enough that little is computed above the diagonal, enough for GEMM. */
const FACTOR_WIDTH = 128;

const TASKS = 'solvers/full-hessian-task';

/** f32 bytes of a full matrix and of the factor that its inverse is made from. */
export function fullHessianBytes(n: number): number {
  return (n * n + stripElements(factorStrips(n))) * 4;
}

function factorStrips(n: number) {
  return reversedStrips(n, columnBlocks(n, FACTOR_WIDTH));
}

/** Room for one full matrix over the features of a Gram matrix; the caller disposes of it. */
export class FullHessian {
  readonly #pool: WorkerPool;
  readonly #gram: GramRef;
  readonly #matrix: NativeRegion;
  #factor: NativeRegion | undefined;

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
   * Fills the room with the inverse of H with that diagonal: with M = L⁻¹ of `factorHessian`, P·Mᵀ·M·P.
   *
   * @returns the feature at which the factorisation failed, and the room holds nothing of use; undefined when it didn't
   */
  async fillInverse(diagonal: Float64Array): Promise<number | undefined> {
    const { size } = this.#gram;
    const strips = factorStrips(size);
    this.#factor ??= allocateNative(stripElements(strips) * 4);
    const factor = this.#factor.address;
    const failedAt = await factorHessian(this.#pool, {
      gram: this.#gram,
      diagonal,
      strips,
      address: factor,
    });
    if (failedAt !== undefined) return failedAt;
    const { address } = this.#matrix;
    const tasks = strips.map((strip, index) => ({
      size,
      factor,
      strip,
      later: strips.slice(index),
      address,
    }));
    await this.#pool.map(TASKS, inverseStrip, tasks);
    return undefined;
  }

  dispose(): void {
    freeNative(this.#matrix);
    if (this.#factor) freeNative(this.#factor);
    this.#factor = undefined;
  }
}
