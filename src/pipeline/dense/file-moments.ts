/**
 * Moments of a linear's gradients, from sums in memory into a file.
 * @module
 */
import { partsOf } from '../../runtime/parts.js';
import type { WorkerPool } from '../../runtime/worker-pool.js';
import type { FiledMatrix, GradientMoment } from '../../statistics/gradient-moments.js';
import { writeMoments } from '../../statistics/gradient-moments-task.js';
import type { GradientSums } from '../../statistics/sum-gradients.js';

/** Elements whose moments one task writes. */
const TASK_ELEMENTS = 1_048_576;

/**
 * @param places of the moments, in their order; their files are there
 * @throws RequestError or RunError naming the file when the disk is full or fails
 */
export async function fileMoments(
  pool: WorkerPool,
  { sum, sumOfSquares, windows }: GradientSums,
  moments: readonly GradientMoment[],
  places: readonly FiledMatrix[],
): Promise<void> {
  const [rows = 0, columns = 0] = sum.shape;
  const tasks = partsOf(rows * columns, TASK_ELEMENTS).map(({ first, count }) => ({
    sum: sum.address + BigInt(first * 4),
    sumOfSquares: sumOfSquares.address + BigInt(first * 4),
    elements: count,
    windows,
    moments: moments.map((moment, at) => {
      const { path = '', offset = 0 } = places[at] ?? {};
      return { moment, path, offset: offset + first * 4 };
    }),
  }));
  await pool.map('statistics/gradient-moments-task', writeMoments, tasks);
}
