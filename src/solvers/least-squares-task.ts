/**
 * Worker tasks: rows of a linear fitted to the outputs that they had.
 * @module
 */
import { gemm } from '../runtime/gemm.js';
import { scratch } from '../runtime/scratch.js';
import { arrayTensor } from '../runtime/tensor-ref.js';
import { float32View } from '../system/native-memory.js';

/** Some rows of a linear. */
export interface FittedRows {
  readonly rows: number;
  readonly columns: number;
  /** H, full [columns, columns] f32. */
  readonly hessian: bigint;
  /** [rows, columns] f32 */
  readonly weights: bigint;
  /** W·H of the dense weights W, [rows, columns] f32. */
  readonly target: bigint;
}

/** Writes W·H of the weights to the target, which may lie where the weights lie. Returns tr(W·H·Wᵀ). */
export function hessianProduct({ rows, columns, hessian, weights, target }: FittedRows): number {
  const product = scratch('hessian product', rows * columns);
  gemm(
    { address: weights, shape: [rows, columns] },
    { address: hessian, shape: [columns, columns] },
    arrayTensor(product, [rows, columns]),
  );
  const form = dot(product, float32View(weights, rows * columns), 0, rows * columns);
  float32View(target, rows * columns).set(product);
  return form;
}

export interface FitArguments extends FittedRows {
  /** 1 / H_jj, [columns] */
  readonly inverseDiagonal: Float32Array;
  readonly iterations: number;
  /** A row is done when its residual, in the preconditioner's norm, is so much smaller than at the start. */
  readonly tolerance: number;
}

export interface FitResult {
  /** tr(Ŵ·H·Ŵᵀ) − 2·tr(Ŵ·H·Wᵀ), to which the constant tr(W·H·Wᵀ) makes the loss. */
  readonly form: number;
  readonly iterations: number;
}

/**
 * Minimises tr((W−Ŵ)·H·(W−Ŵ)ᵀ) over the weights of Ŵ that aren't zero, by conjugate gradients with the diagonal as
 * preconditioner, each row for itself; in place, from the weights that are there.
 */
export function fitRows(args: FitArguments): FitResult {
  const { rows, columns, hessian, weights, target, inverseDiagonal, iterations, tolerance } = args;
  const size = rows * columns;
  const matrix = { address: hessian, shape: [columns, columns] };
  const shape = [rows, columns];
  const x = float32View(weights, size);
  const kept = Float32Array.from(x, (value) => (value === 0 ? 0 : 1));
  const residual = scratch('residual', size);
  const direction = scratch('direction', size);
  const image = scratch('hessian product', size);

  residual.set(float32View(target, size));
  gemm({ address: weights, shape }, matrix, arrayTensor(residual, shape), { alpha: -1, accumulate: true });
  const norms = new Float64Array(rows);
  const limits = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    let norm = 0;
    for (let j = 0, i = row * columns; j < columns; j++, i++) {
      const r = (residual[i] as number) * (kept[i] as number);
      residual[i] = r;
      const z = r * (inverseDiagonal[j] as number);
      direction[i] = z;
      norm += r * z;
    }
    norms[row] = norm;
    limits[row] = norm * tolerance ** 2;
  }

  let iteration = 0;
  while (iteration < iterations && norms.some((norm, row) => norm > (limits[row] as number))) {
    iteration++;
    gemm(arrayTensor(direction, shape), matrix, arrayTensor(image, shape));
    for (let row = 0; row < rows; row++) {
      const norm = norms[row] as number;
      const start = row * columns;
      const curvature = dot(direction, image, start, start + columns);
      if (norm <= (limits[row] as number) || !(curvature > 0)) {
        norms[row] = 0;
        direction.fill(0, start, start + columns);
        continue;
      }
      const step = norm / curvature;
      let next = 0;
      for (let j = 0, i = start; j < columns; j++, i++) {
        x[i] = (x[i] as number) + step * (direction[i] as number);
        const r = ((residual[i] as number) - step * (image[i] as number)) * (kept[i] as number);
        residual[i] = r;
        next += r * r * (inverseDiagonal[j] as number);
      }
      const ratio = next / norm;
      for (let j = 0, i = start; j < columns; j++, i++) {
        direction[i] =
          (residual[i] as number) * (inverseDiagonal[j] as number) + ratio * (direction[i] as number);
      }
      norms[row] = next;
    }
  }
  // Of Ŵ·H only what lies on the support counts, and there it is the target less the residual.
  return {
    form: -dot(x, float32View(target, size), 0, size) - dot(x, residual, 0, size),
    iterations: iteration,
  };
}

function dot(a: Float32Array, b: Float32Array, start: number, end: number): number {
  let sum = 0;
  for (let i = start; i < end; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}
