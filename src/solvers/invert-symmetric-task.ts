/**
 * Worker tasks: steps of the inversion of a symmetric matrix in place.
 * @module
 */
import { gemm } from '../runtime/gemm.js';
import { scratch } from '../runtime/scratch.js';
import { arrayTensor } from '../runtime/tensor-ref.js';
import { freshKernels } from '../runtime/worker-kernels.js';
import { forEachRow, type MatrixBlock } from './matrix-block.js';

export type InversionStep =
  /** Inverts a small block in place. */
  | { readonly kind: 'invert'; readonly block: MatrixBlock }
  /** out = alpha · a · b, or added to it; a or b may be taken transposed. */
  | {
      readonly kind: 'multiply';
      readonly a: MatrixBlock;
      readonly b: MatrixBlock;
      readonly out: MatrixBlock;
      readonly alpha: number;
      readonly transposeA?: boolean;
      readonly transposeB?: boolean;
      readonly accumulate?: boolean;
    }
  | { readonly kind: 'transpose'; readonly from: MatrixBlock; readonly to: MatrixBlock };

/** Runs steps one after the other. Returns the row at whose pivot one failed, or −1. */
export function runSteps(steps: readonly InversionStep[]): number {
  for (const step of steps) {
    if (step.kind === 'transpose') transpose(step.from, step.to);
    else if (step.kind === 'multiply') multiply(step);
    else {
      const failed = invertSmall(step.block);
      if (failed >= 0) return step.block.row + failed;
    }
  }
  return -1;
}

function multiply(step: Extract<InversionStep, { kind: 'multiply' }>): void {
  const { a, b, out, alpha, transposeA = false, transposeB = false, accumulate = false } = step;
  const product = scratch('inversion product', out.rows * out.columns);
  if (accumulate) gather(out, product);
  gemm(
    gathered('inversion a', a),
    gathered('inversion b', b),
    arrayTensor(product, [out.rows, out.columns]),
    { alpha, transposeA, transposeB, accumulate },
  );
  scatter(product, out);
}

function gathered(name: string, block: MatrixBlock) {
  const copy = scratch(name, block.rows * block.columns);
  gather(block, copy);
  return arrayTensor(copy, [block.rows, block.columns]);
}

function gather(block: MatrixBlock, to: Float32Array): void {
  forEachRow(block, (row, i) => to.set(row, i * block.columns));
}

function scatter(from: Float32Array, block: MatrixBlock): void {
  const { columns } = block;
  forEachRow(block, (row, i) => row.set(from.subarray(i * columns, (i + 1) * columns)));
}

function transpose(from: MatrixBlock, to: MatrixBlock): void {
  const kernels = freshKernels();
  const elements = from.rows * from.columns;
  const source = kernels.arena.allocate(elements * 4);
  const turned = kernels.arena.allocate(elements * 4);
  gather(from, kernels.f32(source, elements));
  kernels.transpose(source, turned, from.rows, from.columns);
  scatter(kernels.f32(turned, elements), to);
}

/** By a Cholesky factor L in f64: L⁻ᵀ·L⁻¹. */
function invertSmall(block: MatrixBlock): number {
  const n = block.rows;
  const kernels = freshKernels();
  const lower = kernels.arena.allocate(n * n * 4);
  const inverse = kernels.arena.allocate(n * n * 4);
  gather(block, kernels.f32(lower, n * n));
  const failed = kernels.choleskyBlock(lower, n, n);
  if (failed >= 0) return failed;
  kernels.invertLower(lower, inverse, n);
  const factor = scratch('inversion a', n * n);
  factor.set(kernels.f32(inverse, n * n));
  const product = scratch('inversion product', n * n);
  const tensor = arrayTensor(factor, [n, n]);
  gemm(tensor, tensor, arrayTensor(product, [n, n]), { transposeA: true });
  scatter(product, block);
  return -1;
}
