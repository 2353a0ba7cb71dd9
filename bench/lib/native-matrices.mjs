/**
 * Matrices in native memory, filled with random numbers.
 * @module
 */
import { allocateNative, float32View, freeNative } from '../../dist/system/native-memory.js';

/** Draws that matrices are filled from, round and round; a prime, so that no two rows are the same. */
const DRAWS = 1_048_583;
const DEVIATION = 0.02;

let draws;

/** Roughly normal numbers: sums of uniform ones (a fixed sequence). */
function randomDraws() {
  if (draws) return draws;
  let state = 1;
  const uniform = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
  const scale = DEVIATION * Math.sqrt(3);
  draws = Float32Array.from({ length: DRAWS }, () => scale * (uniform() + uniform() + uniform() + uniform()));
  return draws;
}

/** Overwrites f32 elements with the sequence from its start. */
export function fillRandom(address, length) {
  const source = randomDraws();
  for (let start = 0; start < length; start += DRAWS) {
    const count = Math.min(DRAWS, length - start);
    float32View(address + BigInt(start * 4), count).set(source.subarray(0, count));
  }
}

/** Keeps track of native memory; `free` gives all of it back. */
export class NativeMatrices {
  #regions = [];

  /** Zeros, [rows, columns] f32. */
  zeros(rows, columns) {
    const region = allocateNative(rows * columns * 4);
    this.#regions.push(region);
    return { address: region.address, rows, columns };
  }

  random(rows, columns) {
    const matrix = this.zeros(rows, columns);
    fillRandom(matrix.address, rows * columns);
    return matrix;
  }

  /** For results that nobody reads: one place for all of them, up to `elements`. */
  sink(elements) {
    const { address } = this.zeros(1, elements);
    return (rows, columns) => {
      if (rows * columns > elements) throw new Error('the sink is too small');
      return { address, rows, columns };
    };
  }

  free() {
    for (const region of this.#regions.splice(0)) freeNative(region);
  }
}

/** Runs `use` with matrices that are freed afterwards. */
export async function withMatrices(use) {
  const matrices = new NativeMatrices();
  try {
    return await use(matrices);
  } finally {
    matrices.free();
  }
}
