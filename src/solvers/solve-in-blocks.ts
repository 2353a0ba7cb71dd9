/**
 * What solvers that go through blocks of columns have in common: the factor of the Hessian that every block needs a part of.
 * @module
 */
import { RunError } from '../errors.js';
import { forEach } from '../runtime/for-each.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import { gramStrips, stripElements } from '../statistics/gram-layout.js';
import type { GramRef } from '../statistics/group-statistics.js';
import { allocateNative, freeNative } from '../system/native-memory.js';
import { type BlockStep, blockSteps } from './column-blocks.js';
import { activationOrder, naturalOrder } from './column-order.js';
import { type FactorOptions, factorElements, factorHessian } from './factor-hessian.js';
import { dampedDiagonal } from './hessian-diagonal.js';
import type { SolvableMatrix, SolveOutcome } from './solvable.js';

/** How often damping is raised tenfold when the Cholesky factorisation fails. */
const DAMPING_RETRIES = 4;

/** Bytes of the factor over so many features. */
export function factorBytes(size: number): number {
  return stripElements(gramStrips(size)) * 4;
}

export interface BlockOptions {
  /** λ as a fraction of the mean of the Hessian's diagonal. */
  readonly damping: number;
  /** Columns of a block. */
  readonly block_size: number;
  /** Columns as they lie (`natural`), or those with the largest diagonal elements of the Hessian first. */
  readonly order?: 'natural' | 'activation';
}

/** The columns of matrices that read one activation, and the factor of its Hessian. */
export interface FactoredColumns {
  readonly steps: readonly BlockStep[];
  /** M = L⁻¹ in the strips of the steps (`factorHessian`). */
  readonly factor: bigint;
  /** Which of the weights' columns is processed at each place, [columns]. */
  readonly order: Uint32Array;
  /** 1 where an input never was anything but zero, [columns] in that order. */
  readonly dead: Uint8Array;
}

/**
 * Solves matrices with factors whose blocks no N:M group crosses: one factor for all that have groups of the same size.
 *
 * @param group for messages
 * @param oneLinear whether matrices are solved one after the other
 * @param solve returns ½·tr(ΔHΔᵀ)
 * @throws RunError naming the group when the factorisation fails at every damping
 */
export async function solveInBlocks(
  pool: WorkerPool,
  group: string,
  gram: GramRef,
  matrices: readonly SolvableMatrix[],
  options: BlockOptions,
  oneLinear: boolean,
  solve: (matrix: SolvableMatrix, columns: FactoredColumns) => Promise<number>,
): Promise<Map<string, SolveOutcome>> {
  const outcomes = new Map<string, SolveOutcome>();
  const groupSizes = new Set(matrices.map(groupSizeOf));
  for (const groupSize of groupSizes) {
    const sameBlocks = matrices.filter((matrix) => groupSizeOf(matrix) === groupSize);
    const steps = blockSteps(gram.size, options.block_size, groupSize);
    const strips = steps.map(({ strip }) => strip).reverse();
    const region = allocateNative(factorElements(strips) * 4);
    try {
      const { address } = region;
      const order = columnOrder(gram, options.order, groupSize);
      const factor = { gram, order, strips, address };
      const { dead, damping, notes } = await factorWithRetries(pool, group, factor, options.damping);
      await forEach(sameBlocks, oneLinear, async (matrix) => {
        const started = performance.now();
        const predictedLoss = await solve(matrix, { steps, factor: address, order, dead });
        const seconds = (performance.now() - started) / 1000;
        outcomes.set(matrix.name, { predictedLoss, damping, notes, seconds });
      });
    } finally {
      freeNative(region);
    }
  }
  return outcomes;
}

/** Columns that a block border must not divide. */
function groupSizeOf({ pattern }: SolvableMatrix): number {
  return pattern.kind === 'n:m' ? pattern.of : 1;
}

function columnOrder(gram: GramRef, order: BlockOptions['order'], groupSize: number): Uint32Array {
  if (order !== 'activation') return naturalOrder(gram.size);
  return activationOrder(dampedDiagonal(gram, 0, 0).diagonal, groupSize);
}

/** @returns also which inputs are dead, in the order of the columns */
async function factorWithRetries(
  pool: WorkerPool,
  group: string,
  factor: Omit<FactorOptions, 'diagonal'>,
  first: number,
): Promise<{ dead: Uint8Array; damping: number; notes: string[] }> {
  let damping = first;
  for (let attempt = 0; ; attempt++) {
    const { dead, diagonal } = dampedDiagonal(factor.gram, damping, 1);
    const failedAt = await factorHessian(pool, { ...factor, diagonal });
    if (failedAt === undefined) {
      const notes =
        attempt > 0
          ? [`damping raised from ${first} to ${damping}: the Hessian was not positive definite`]
          : [];
      return { dead: Uint8Array.from(factor.order, (column) => dead[column] as number), damping, notes };
    }
    if (attempt === DAMPING_RETRIES) {
      throw new RunError(
        `${group}: the Hessian is not positive definite at feature ${failedAt}, even with damping ${damping}; ` +
          'more calibration tokens or prune.options.damping would help',
      );
    }
    // Without what rounding adds, since people read it.
    damping = Number((damping * 10).toPrecision(12));
  }
}
