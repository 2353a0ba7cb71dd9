/**
 * SparseGPT: one-shot pruning with the optimal update of the survivors (Frantar & Alistarh 2023, arXiv 2301.00774).
 * @module
 */
import { equalParts } from '../runtime/parts.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import { zeroCount } from '../sparsity/pattern.js';
import type { GramRef } from '../statistics/group-statistics.js';
import { allocateNative, freeNative } from '../system/native-memory.js';
import { blockQuotas } from './block-quotas.js';
import type { BlockStep } from './column-blocks.js';
import type { SolvableMatrix, SolveOutcome } from './solvable.js';
import { type BlockOptions, type FactoredColumns, factorBytes, solveInBlocks } from './solve-in-blocks.js';
import {
  chooseMask,
  countBlockZeros,
  type MaskChoice,
  type SolveRows,
  scoreBlock,
  solveRows,
  updateBlock,
} from './sparsegpt-task.js';

/** Rows of one task. */
const TASK_ROWS = 512;

/** Scores and mask of a column block: f32 and one byte. */
const SCORE_AND_MASK_BYTES = 5;
const USUAL_BLOCK = 128;

/** Bytes of a group's factor, of each linear's errors and column blocks, and of the block that a worker chooses a mask of. */
export function sparseGptBytes(
  size: number,
  linears: readonly { readonly out: number; readonly in: number }[],
): { readonly group: number; readonly linears: readonly number[]; readonly worker: number } {
  const block = ({ out }: { readonly out: number }) => out * USUAL_BLOCK * SCORE_AND_MASK_BYTES;
  return {
    group: factorBytes(size),
    linears: linears.map((linear) => linear.out * linear.in * 4 + block(linear)),
    worker: Math.max(0, ...linears.map(block)),
  };
}

export interface SparseGptOptions extends BlockOptions {
  /** Among which weights of a block the lowest scores go, for a sparsity: all of them (`block`), or those of each row. */
  readonly mask_scope?: 'block' | 'row';
}

/**
 * Prunes the linears that read the activation whose Gram matrix is given.
 *
 * An unstructured mask is chosen per column block over all rows, on the already updated weights, by w²/U_jj²;
 * the counts of the blocks add up to exactly ⌊numel · sparsity⌋. With the mask scope `row` that is done for every row, to
 * ⌊columns · sparsity⌋. N:M groups are chosen at their first column, and stay together in any order.
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
  return await solveInBlocks(pool, group, gram, matrices, options, oneLinear, (matrix, columns) =>
    solveMatrix(pool, matrix, columns, options.mask_scope),
  );
}

async function solveMatrix(
  pool: WorkerPool,
  { name, weights, pattern, keepZeros = false }: SolvableMatrix,
  { steps, ...shared }: FactoredColumns,
  maskScope: SparseGptOptions['mask_scope'],
): Promise<number> {
  const [rows = 0, columns = 0] = weights.shape;
  const errors = allocateNative(rows * columns * 4);
  try {
    const parts = equalParts(rows, TASK_ROWS).map(({ first, count }) => ({
      ...shared,
      name,
      keepZeros,
      weights: weights.address + BigInt(first * columns * 4),
      rows: count,
      columns,
      errors: errors.address + BigInt(first * columns * 4),
    }));
    if (pattern.kind === 'unstructured' && maskScope !== 'row') {
      const zeros = await blockZeros(pool, parts, rows, pattern.sparsity, steps);
      if (parts.length > 1) return await solveTogether(pool, parts, steps, zeros, rows);
      return await solveApart(
        pool,
        parts,
        steps,
        zeros.map((count) => ({ kind: 'smallest', zeros: count })),
      );
    }
    const choices: MaskChoice[] =
      pattern.kind === 'n:m'
        ? steps.map(() => pattern)
        : blockShares(1, pattern.sparsity, steps).map((zeros) => ({ kind: 'rows', zeros }));
    return await solveApart(pool, parts, steps, choices);
  } finally {
    freeNative(errors);
  }
}

/** Parts that each have masks of their own. */
async function solveApart(
  pool: WorkerPool,
  parts: readonly SolveRows[],
  steps: readonly BlockStep[],
  choices: readonly MaskChoice[],
): Promise<number> {
  const withChoices = steps.map((step, index) => ({ ...step, choice: choices[index] as MaskChoice }));
  const tasks = parts.map((part) => ({ ...part, steps: withChoices }));
  return sum(await pool.map('solvers/sparsegpt-task', solveRows, tasks));
}

/** Blocks in step over all parts: scores, one choice over all of them, updates. */
async function solveTogether(
  pool: WorkerPool,
  parts: readonly SolveRows[],
  steps: readonly BlockStep[],
  zeros: readonly number[],
  rows: number,
): Promise<number> {
  const largest = Math.max(...steps.map(({ block }) => block.width)) * rows;
  const memory = allocateNative(largest * 5);
  const mask = memory.address + BigInt(largest * 4);
  let loss = 0;
  try {
    for (const [index, step] of steps.entries()) {
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
        zeros: zeros[index] as number,
      });
      for (const part of await pool.map('solvers/sparsegpt-task', updateBlock, tasks)) loss += part;
    }
  } finally {
    freeNative(memory);
  }
  return loss;
}

/** Zeros of every block over all rows. */
async function blockZeros(
  pool: WorkerPool,
  parts: readonly SolveRows[],
  rows: number,
  sparsity: number,
  steps: readonly BlockStep[],
): Promise<number[]> {
  const shares = blockShares(rows, sparsity, steps);
  if (!parts.some(({ keepZeros }) => keepZeros)) return shares;
  const tasks = parts.map((part) => ({ ...part, steps }));
  const counts = await pool.map('solvers/sparsegpt-task', countBlockZeros, tasks);
  return blockQuotas(
    shares,
    steps.map((_, index) => sum(counts.map((part) => part[index] as number))),
  );
}

/** Differences of ⌊columns so far · rows · sparsity⌋. */
function blockShares(rows: number, sparsity: number, steps: readonly BlockStep[]): number[] {
  let before = 0;
  return steps.map(({ block }) => {
    const zeros = zeroCount(rows * (block.first + block.width), sparsity);
    const share = zeros - before;
    before = zeros;
    return share;
  });
}

function sum(list: readonly number[]): number {
  return list.reduce((total, each) => total + each, 0);
}
