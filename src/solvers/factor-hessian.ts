/**
 * From a Gram matrix to the factor that SparseGPT prunes with, by all workers.
 * @module
 */
import { partsOf } from '../runtime/parts.js';
import { settle, type WorkerPool } from '../runtime/worker-pool.js';
import { type Strip, stripElements } from '../statistics/gram-layout.js';
import type { GramRef } from '../statistics/group-statistics.js';
import { allocateNative, float32View, freeNative } from '../system/native-memory.js';
import { joinedStrips } from './column-blocks.js';
import {
  divideStrips,
  invertPanel,
  reverseStrip,
  solveBelow,
  updateBelow,
  updateDiagonal,
} from './factor-task.js';

/**
 * Rows of a panel that one task brings up to date: enough that its products take longer than handing it out, and a
 * fixed number, so that results don't depend on the number of workers.
 */
const TASK_ROWS = 1024;

/** Columns of a panel, at least: there are (features / columns)² products, and small ones take less time than starting them. */
const PANEL_COLUMNS = 64;

const TASKS = 'solvers/factor-task';

/** f32 elements of the room in which strips are computed. */
export function factorElements(strips: readonly Strip[]): number {
  return stripElements(joinedStrips(strips, PANEL_COLUMNS));
}

export interface FactorOptions {
  readonly gram: GramRef;
  /** In the place of the Hessian's own, [features]. */
  readonly diagonal: Float64Array;
  /** The features in the order that they are to have, [features]. */
  readonly order: Uint32Array;
  /** Strips of the result, over features in reversed order (`reversedStrips`). */
  readonly strips: readonly Strip[];
  /** Room for `factorElements`; receives M = L⁻¹ in these strips. */
  readonly address: bigint;
}

/**
 * With H = (2/tokens)·XᵀX, its diagonal replaced and its features in the given order, and P their reversal: P·H·P = L·Lᵀ and
 * M = L⁻¹, so that U = P·M·P is the upper factor UᵀU = H⁻¹ of Frantar & Alistarh 2023 (arXiv 2301.00774) without ever
 * forming H⁻¹.
 *
 * A left-looking Cholesky, strip after strip: workers share the rows of a strip, each bringing its own up to date
 * with the strips before. Then L is inverted in place, workers taking a strip each. Narrow strips are computed together.
 *
 * @returns the feature whose pivot wasn't positive, and the memory holds nothing of use; undefined when all were
 */
export async function factorHessian(pool: WorkerPool, options: FactorOptions): Promise<number | undefined> {
  const { gram, diagonal, address } = options;
  const n = gram.size;
  const strips = joinedStrips(options.strips, PANEL_COLUMNS);
  const order = options.order.slice().reverse();
  const reversed = strips.map((strip) => ({ gram, strip, address, diagonal, order }));
  await pool.map(TASKS, reverseStrip, reversed);

  const widest = Math.max(...strips.map(({ width }) => width));
  const inverses = allocateNative(strips.length * widest ** 2 * 4);
  try {
    const inverseOf = (index: number) => inverses.address + BigInt(index * widest ** 2 * 4);
    for (const [index, strip] of strips.entries()) {
      const panel = { address, strip, earlier: strips.slice(0, index), inverse: inverseOf(index) };
      const below = rowsBelow(strip, n).map((part) => ({ ...panel, ...part }));
      const [failed = -1] = await settle([
        pool.run(TASKS, updateDiagonal, panel),
        ...(index === 0 ? [] : below.map((part) => pool.run(TASKS, updateBelow, part).then(() => -1))),
      ]);
      if (failed >= 0) return order[strip.first + failed];
      await pool.map(TASKS, solveBelow, below);
    }
    await invertInPlace(pool, strips, address, inverseOf);
  } finally {
    freeNative(inverses);
  }
  if (strips.length < options.strips.length) {
    await pool.run(TASKS, divideStrips, { address, from: strips, to: options.strips });
  }
  return undefined;
}

/** L → M = L⁻¹. A strip of M needs the strips of L from its own on, so strips are replaced from the first on. */
async function invertInPlace(
  pool: WorkerPool,
  strips: readonly Strip[],
  address: bigint,
  inverseOf: (strip: number) => bigint,
): Promise<void> {
  const largest = Math.max(...strips.map(({ rows, width }) => rows * width));
  const results = allocateNative(pool.size * largest * 4);
  try {
    for (let first = 0; first < strips.length; first += pool.size) {
      const batch = strips.slice(first, first + pool.size).map((strip, offset) => ({
        strip,
        address,
        later: strips
          .slice(first + offset)
          .map((later, index) => ({ strip: later, inverse: inverseOf(first + offset + index) })),
        result: results.address + BigInt(offset * largest * 4),
      }));
      await pool.map(TASKS, invertPanel, batch);
      for (const { strip, result } of batch) {
        const elements = strip.rows * strip.width;
        float32View(address + BigInt(strip.offset * 4), elements).set(float32View(result, elements));
      }
    }
  } finally {
    freeNative(results);
  }
}

function rowsBelow({ first, width }: Strip, n: number): { firstRow: number; rows: number }[] {
  const below = first + width;
  return partsOf(n - below, TASK_ROWS).map((part) => ({ firstRow: below + part.first, rows: part.count }));
}
