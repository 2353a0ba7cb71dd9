/**
 * SparseGPT: one-shot pruning with the optimal update of the survivors (Frantar & Alistarh 2023, arXiv 2301.00774).
 * @module
 */
import { RunError } from '../errors.js';
import { forEach } from '../runtime/for-each.js';
import { equalParts } from '../runtime/parts.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import { type Pattern, zeroCount } from '../sparsity/pattern.js';
import { gramStrips, stripElements } from '../statistics/gram-layout.js';
import type { GramRef } from '../statistics/group-statistics.js';
import { allocateNative, freeNative } from '../system/native-memory.js';
import { columnBlocks, reversedStrips } from './column-blocks.js';
import { factorHessian } from './factor-hessian.js';
import { dampedDiagonal } from './hessian-diagonal.js';
import type { SolvableMatrix, SolveOutcome } from './solvable.js';
import {
  type BlockStep,
  chooseMask,
  type MaskChoice,
  scoreBlock,
  solveRows,
  updateBlock,
} from './sparsegpt-task.js';

/** Rows of one task. */
const TASK_ROWS = 512;
/** How often damping is raised tenfold when the Cholesky factorisation fails. */
const DAMPING_RETRIES = 4;

/** Scores and mask of a column block: f32 and one byte. */
const SCORE_AND_MASK_BYTES = 5;
const USUAL_BLOCK = 128;

/** Bytes of a group's factor, and of each linear's errors and column blocks. */
export function sparseGptBytes(
  size: number,
  linears: readonly { readonly out: number; readonly in: number }[],
): { readonly group: number; readonly linears: readonly number[] } {
  return {
    group: stripElements(gramStrips(size)) * 4,
    linears: linears.map((linear) => linear.out * (linear.in * 4 + USUAL_BLOCK * SCORE_AND_MASK_BYTES)),
  };
}

export interface SparseGptOptions {
  /** λ as a fraction of the mean of the Hessian's diagonal. */
  readonly damping: number;
  /** Columns of a block. */
  readonly block_size: number;
}

/**
 * Prunes the linears that read the activation whose Gram matrix is given.
 *
 * An unstructured mask is chosen per column block over all rows, on the already updated weights, by w²/U_jj²;
 * the counts of the blocks add up to exactly ⌊numel · sparsity⌋. N:M groups are chosen at their first column.
 *
 * @param oneLinear whether matrices are pruned one after the other, with the errors of only one in memory
 * @throws RunError naming the group when the factorisation fails at every damping
 */
export async function sparseGpt(
  pool: WorkerPool,
  group: string,
  gram: GramRef,
  matrices: readonly SolvableMatrix[],
  options: SparseGptOptions,
  oneLinear = false,
): Promise<Map<string, SolveOutcome>> {
  const outcomes = new Map<string, SolveOutcome>();
  const groupSizes = new Set(matrices.map(groupSizeOf));
  for (const groupSize of groupSizes) {
    const sameBlocks = matrices.filter((matrix) => groupSizeOf(matrix) === groupSize);
    const blocks = columnBlocks(gram.size, options.block_size, groupSize);
    const strips = reversedStrips(gram.size, blocks);
    const steps = blocks.map((block, index) => {
      const strip = strips[blocks.length - 1 - index];
      if (!strip) throw new Error('a column block has no strip');
      return { block, strip };
    });
    const region = allocateNative(stripElements(strips) * 4);
    try {
      const { dead, damping, notes } = await factorWithRetries(
        pool,
        group,
        gram,
        strips,
        region.address,
        options.damping,
      );
      const solve = async (matrix: SolvableMatrix): Promise<void> => {
        const started = performance.now();
        const predictedLoss = await solveMatrix(pool, matrix, steps, region.address, dead);
        outcomes.set(matrix.name, {
          predictedLoss,
          damping,
          notes,
          seconds: (performance.now() - started) / 1000,
        });
      };
      await forEach(sameBlocks, oneLinear, solve);
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

async function factorWithRetries(
  pool: WorkerPool,
  group: string,
  gram: GramRef,
  strips: ReturnType<typeof reversedStrips>,
  address: bigint,
  first: number,
): Promise<{ dead: Uint8Array; damping: number; notes: string[] }> {
  let damping = first;
  for (let attempt = 0; ; attempt++) {
    const { dead, diagonal } = dampedDiagonal(gram, damping, 1);
    const failedAt = await factorHessian(pool, { gram, diagonal, strips, address });
    if (failedAt === undefined) {
      const notes =
        attempt > 0
          ? [`damping raised from ${first} to ${damping}: the Hessian was not positive definite`]
          : [];
      return { dead, damping, notes };
    }
    if (attempt === DAMPING_RETRIES) {
      throw new RunError(
        `${group}: the Hessian is not positive definite at feature ${failedAt}, even with damping ${damping}; ` +
          'more calibration tokens or prune.options.damping would help',
      );
    }
    damping *= 10;
  }
}

async function solveMatrix(
  pool: WorkerPool,
  { weights, pattern }: SolvableMatrix,
  steps: readonly BlockStep[],
  factor: bigint,
  dead: Uint8Array,
): Promise<number> {
  const [rows = 0, columns = 0] = weights.shape;
  const errors = allocateNative(rows * columns * 4);
  try {
    const parts = equalParts(rows, TASK_ROWS).map(({ first, count }) => ({
      weights: weights.address + BigInt(first * columns * 4),
      rows: count,
      columns,
      errors: errors.address + BigInt(first * columns * 4),
      factor,
      dead,
    }));
    const choices = blockChoices(pattern, rows, steps);
    const [only] = parts;
    if (pattern.kind === 'n:m' || (only && parts.length === 1)) {
      const withChoices = steps.map((step, index) => ({ ...step, choice: choices[index] as MaskChoice }));
      const losses = await pool.map(
        'solvers/sparsegpt-task',
        solveRows,
        parts.map((part) => ({ ...part, steps: withChoices })),
      );
      return losses.reduce((sum, loss) => sum + loss, 0);
    }
    return await solveTogether(pool, parts, steps, choices, rows);
  } finally {
    freeNative(errors);
  }
}

type RowsPart = Omit<Parameters<typeof scoreBlock>[0], 'step' | 'scores' | 'mask'>;

/** Blocks in step over all parts: scores, one choice over all of them, updates. */
async function solveTogether(
  pool: WorkerPool,
  parts: readonly RowsPart[],
  steps: readonly BlockStep[],
  choices: readonly MaskChoice[],
  rows: number,
): Promise<number> {
  const largest = Math.max(...steps.map(({ block }) => block.width)) * rows;
  const memory = allocateNative(largest * 5);
  const mask = memory.address + BigInt(largest * 4);
  let loss = 0;
  try {
    for (const [index, step] of steps.entries()) {
      const choice = choices[index];
      if (choice?.kind !== 'smallest') throw new Error('rows are only kept in step for unstructured masks');
      let before = 0;
      const tasks = parts.map((part) => {
        const task = {
          ...part,
          step,
          scores: memory.address + BigInt(before * 4),
          mask: mask + BigInt(before),
        };
        before += part.rows * step.block.width;
        return task;
      });
      await pool.map('solvers/sparsegpt-task', scoreBlock, tasks);
      await pool.run('solvers/sparsegpt-task', chooseMask, {
        scores: memory.address,
        mask,
        elements: before,
        zeros: choice.zeros,
      });
      for (const part of await pool.map('solvers/sparsegpt-task', updateBlock, tasks)) loss += part;
    }
  } finally {
    freeNative(memory);
  }
  return loss;
}

function blockChoices(pattern: Pattern, rows: number, steps: readonly BlockStep[]): MaskChoice[] {
  if (pattern.kind === 'n:m') return steps.map(() => ({ kind: 'n:m', keep: pattern.keep, of: pattern.of }));
  let before = 0;
  return steps.map(({ block }) => {
    const zeros = zeroCount(rows * (block.first + block.width), pattern.sparsity);
    const choice: MaskChoice = { kind: 'smallest', zeros: zeros - before };
    before = zeros;
    return choice;
  });
}
