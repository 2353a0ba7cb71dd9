/**
 * The inverse of a symmetric positive definite matrix, in large products.
 * @module
 */
import { equalParts, type Part } from '../runtime/parts.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import { allocateNative, freeNative } from '../system/native-memory.js';
import { type InversionStep, runSteps } from './invert-symmetric-task.js';
import type { MatrixBlock } from './matrix-block.js';

const TASKS = 'solvers/invert-symmetric-task';

/** Rows of a block that is inverted through its Cholesky factor. */
const SMALL = 96;
/** Rows of a block that one worker inverts alone: handing out its products would take longer than they do. */
const ONE_TASK = 768;
/** Rows and columns of a product that one task computes. Its worker keeps copies of what the task multiplies. */
const TASK = { rows: 512, columns: 1024 };

/** f32 bytes beside the matrix while it is inverted. */
export function inversionBytes(n: number): number {
  return temporaryElements(n) * 4;
}

/**
 * Bytes that a worker keeps of its largest task, until it ends: rows of the left factor, columns of the right one, and their
 * product; in the kernels' memory what is transposed, twice.
 */
export function inversionTaskBytes(n: number): number {
  const half = firstHalf(n);
  const [rows, columns] = [Math.min(half, TASK.rows), Math.min(half, TASK.columns)];
  return ((rows + columns) * half + 3 * rows * columns) * 4;
}

function temporaryElements(n: number): number {
  if (n <= SMALL) return 0;
  const first = firstHalf(n);
  return (n - first) * first + Math.max(temporaryElements(first), temporaryElements(n - first));
}

/** A multiple of 16 near the middle. */
function firstHalf(n: number): number {
  return Math.ceil(n / 32) * 16;
}

/**
 * Inverts in place. With A₁₁⁻¹ known, T = A₂₁·A₁₁⁻¹ and the Schur complement S = A₂₂ − T·A₂₁ᵀ, the inverse has the blocks
 * A₁₁⁻¹ + Tᵀ·S⁻¹·T, −S⁻¹·T and S⁻¹; both halves are inverted in the same way. That takes (4/3)·n³ operations, in products
 * half as large as the matrix.
 *
 * @param address of the full matrix, [n, n] f32
 * @returns the row at whose pivot the factorisation of a block failed, and the memory then holds nothing of use; undefined
 * when none did
 */
export async function invertSymmetric(
  pool: WorkerPool,
  address: bigint,
  n: number,
): Promise<number | undefined> {
  const temporary = allocateNative(inversionBytes(n));
  try {
    for (const steps of stages(
      { address, stride: n, row: 0, column: 0, rows: n, columns: n },
      temporary.address,
    )) {
      for (const failed of await pool.map(TASKS, runSteps, steps)) if (failed >= 0) return failed;
    }
    return undefined;
  } finally {
    freeNative(temporary);
  }
}

/** Stages one after the other, each of tasks that may run at the same time, each of steps in order. */
function* stages(block: MatrixBlock, temporary: bigint): Generator<readonly (readonly InversionStep[])[]> {
  if (block.rows <= ONE_TASK) {
    yield [[...stepsOf(block, temporary)]];
    return;
  }
  const { first, second, steps, below } = split(block, temporary);
  yield* stages(first, below);
  for (const step of steps.before) yield inParts(step);
  yield* stages(second, below);
  for (const step of steps.after) yield inParts(step);
}

/** The same in one go. */
function* stepsOf(block: MatrixBlock, temporary: bigint): Generator<InversionStep> {
  if (block.rows <= SMALL) {
    yield { kind: 'invert', block };
    return;
  }
  const { first, second, steps, below } = split(block, temporary);
  yield* stepsOf(first, below);
  yield* steps.before;
  yield* stepsOf(second, below);
  yield* steps.after;
}

/** The halves of a block, and what is to be done before the second is inverted and after. */
function split(block: MatrixBlock, temporary: bigint) {
  const half = firstHalf(block.rows);
  const rest = block.rows - half;
  const part = (down: number, right: number, rows: number, columns: number): MatrixBlock => ({
    ...block,
    row: block.row + down,
    column: block.column + right,
    rows,
    columns,
  });
  const first = part(0, 0, half, half);
  const corner = part(half, 0, rest, half);
  const second = part(half, half, rest, rest);
  const t = { address: temporary, stride: half, row: 0, column: 0, rows: rest, columns: half };
  const multiply = { kind: 'multiply' } as const;
  const steps: { before: InversionStep[]; after: InversionStep[] } = {
    before: [
      { ...multiply, a: corner, b: first, out: t, alpha: 1 },
      { ...multiply, a: t, b: corner, out: second, alpha: -1, transposeB: true, accumulate: true },
    ],
    after: [
      { ...multiply, a: second, b: t, out: corner, alpha: -1 },
      { ...multiply, a: t, b: corner, out: first, alpha: -1, transposeA: true, accumulate: true },
      { kind: 'transpose', from: corner, to: part(0, half, half, rest) },
    ],
  };
  return { first, second, steps, below: temporary + BigInt(rest * half * 4) };
}

/** A step as tasks for a part of its result each, whatever the number of workers. No sum is divided. */
function inParts(step: InversionStep): InversionStep[][] {
  if (step.kind === 'invert') return [[step]];
  const result = step.kind === 'transpose' ? step.from : step.out;
  return equalParts(result.rows, TASK.rows).flatMap((rows) =>
    equalParts(result.columns, TASK.columns).map((columns) => [partOf(step, rows, columns)]),
  );
}

function partOf(step: Exclude<InversionStep, { kind: 'invert' }>, rows: Part, columns: Part): InversionStep {
  if (step.kind === 'transpose') {
    const from = columnsOf(rowsOf(step.from, rows), columns);
    return { ...step, from, to: columnsOf(rowsOf(step.to, columns), rows) };
  }
  return {
    ...step,
    a: step.transposeA ? columnsOf(step.a, rows) : rowsOf(step.a, rows),
    b: step.transposeB ? rowsOf(step.b, columns) : columnsOf(step.b, columns),
    out: columnsOf(rowsOf(step.out, rows), columns),
  };
}

function rowsOf(block: MatrixBlock, { first, count }: Part): MatrixBlock {
  return { ...block, row: block.row + first, rows: count };
}

function columnsOf(block: MatrixBlock, { first, count }: Part): MatrixBlock {
  return { ...block, column: block.column + first, columns: count };
}
