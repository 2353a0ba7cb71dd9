/**
 * Worker tasks: rows of a linear fitted to the outputs that they had.
 * @module
 */
import { gemm } from '../runtime/gemm.js';
import { scratch } from '../runtime/scratch.js';
import { arrayTensor } from '../runtime/tensor-ref.js';
import { freshKernels } from '../runtime/worker-kernels.js';
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
  const form = dot(product, float32View(weights, rows * columns));
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
  const { rows, columns, hessian, weights, target, iterations, tolerance } = args;
  const size = rows * columns;
  const kernels = freshKernels();
  const { arena } = kernels;
  const [x, residual, direction, image, kept] = Array.from({ length: 5 }, () => arena.allocate(size * 4)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const inverseDiagonal = arena.allocate(columns * 4);
  kernels.f32(inverseDiagonal, columns).set(args.inverseDiagonal);
  kernels.f32(x, size).set(float32View(weights, size));
  kernels.f32(residual, size).set(float32View(target, size));
  const mask = kernels.f32(kept, size);
  for (const [i, value] of kernels.f32(x, size).entries()) mask[i] = value === 0 ? 0 : 1;

  const matrix = { address: hessian, shape: [columns, columns] };
  // Onnxruntime computes where the kernels do.
  const tensorAt = (place: number) => arrayTensor(kernels.f32(place, size), [rows, columns]);
  gemm(tensorAt(x), matrix, tensorAt(residual), { alpha: -1, accumulate: true });
  kernels.f32(direction, size).fill(0);
  kernels.f32(image, size).fill(0);
  const rowAt = (row: number) => {
    const start = row * columns * 4;
    return {
      x: x + start,
      residual: residual + start,
      direction: direction + start,
      image: image + start,
      kept: kept + start,
      inverseDiagonal,
    };
  };
  // A step of length 0 masks the residual and measures it.
  const norms = Float64Array.from({ length: rows }, (_, row) =>
    kernels.conjugateStep(rowAt(row), columns, 0),
  );
  const limits = norms.map((norm) => norm * tolerance ** 2);
  for (let row = 0; row < rows; row++) {
    const at = rowAt(row);
    kernels.conjugateDirection(at.direction, at.residual, inverseDiagonal, columns, 0);
  }

  let iteration = 0;
  const goesOn = (row: number) => (norms[row] as number) > (limits[row] as number);
  for (; iteration < iterations && norms.some((_, row) => goesOn(row)); iteration++) {
    gemm(tensorAt(direction), matrix, tensorAt(image));
    for (let row = 0; row < rows; row++) {
      if (!goesOn(row)) continue;
      const at = rowAt(row);
      const norm = norms[row] as number;
      const curvature = kernels.dot(at.direction, at.image, columns);
      const next = curvature > 0 ? kernels.conjugateStep(at, columns, norm / curvature) : 0;
      norms[row] = next;
      kernels.conjugateDirection(at.direction, at.residual, inverseDiagonal, columns, next / norm);
    }
  }
  const fitted = kernels.f32(x, size);
  float32View(weights, size).set(fitted);
  // Of Ŵ·H only what lies on the support counts, and there it is the target less the residual.
  const form = -dot(fitted, float32View(target, size)) - dot(fitted, kernels.f32(residual, size));
  return { form, iterations: iteration };
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}
