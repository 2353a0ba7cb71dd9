/**
 * The eigenvalues of WWᵀ or WᵀW, whichever is smaller. Used inside workers.
 * @module
 */

import { RunError } from '../errors.js';
import { bytesPerElement } from '../forward/float-storage.js';
import { readElements } from '../forward/read-elements.js';
import { columnsOf, type StoredFloatTensor } from '../forward/stored-tensor.js';
import { firstNonFinite } from '../runtime/first-non-finite.js';
import { gemm } from '../runtime/gemm.js';
import { type Part, partsOf } from '../runtime/parts.js';
import { scratch } from '../runtime/scratch.js';
import { filePath } from '../runtime/tensor-file.js';
import { arrayTensor } from '../runtime/tensor-ref.js';
import { freshKernels } from '../runtime/worker-kernels.js';
import { collectGarbage } from '../system/collect-garbage.js';
import { alignedFloat32 } from '../system/native-memory.js';
import { type Tridiagonal, tridiagonalEigenvalues } from './tridiagonal-eigenvalues.js';
import { stageBytes, tridiagonalInStages } from './tridiagonal-in-stages.js';

/** Rows or columns of W whose products are added at a time. */
const SLAB = 512;

/**
 * Order up to which a matrix is reduced in f64 and in one stage: as long as half of it stays in a processor's caches. With 4,096
 * that took 80 s, where two stages took 13 s in the same minutes; with 1,536 it was 0.8 s, and 2.4 s in two.
 */
const LARGEST_AT_ONCE = 1536;

/** Bytes that it takes for a matrix of this shape. */
export function spectrumBytes(rows: number, columns: number): number {
  const n = Math.min(rows, columns);
  // The products in f32, a slab of W, and half of the products again in f64 or what a stage holds.
  return n * n * 4 + SLAB * n * 4 + (n > LARGEST_AT_ONCE ? stageBytes(n) : n * (n + 1) * 4);
}

/**
 * Products are added up in f32: small beside the larger half of a spectrum, in which what rounding does to an eigenvalue is some
 * 1e-7 of the largest.
 *
 * @param tensor W [out, in]
 * @returns ascending, none negative, [min(out, in)]
 * @throws RunError naming a stored weight that isn't finite, or the tensor where a product isn't
 */
export function weightSpectrum(tensor: StoredFloatTensor): Float64Array {
  const n = Math.min(...tensor.shape);
  const products = smallerProducts(tensor);
  const bad = firstNonFinite(products.subarray(0, n * n));
  if (bad >= 0) {
    throw new RunError(
      `${tensor.name}: the product of ${tensor.shape[0] === n ? 'rows' : 'columns'} ${Math.floor(bad / n)} and ${bad % n} isn't finite`,
    );
  }
  const { diagonal, offDiagonal } =
    n > LARGEST_AT_ONCE ? tridiagonalInStages(products, n) : tridiagonalAtOnce(products, n);
  tridiagonalEigenvalues(diagonal, offDiagonal);
  if (n > LARGEST_AT_ONCE) collectGarbage();
  return diagonal.map((value) => Math.max(0, value)).sort();
}

/** @param matrix [n, n] f32, symmetric */
function tridiagonalAtOnce(matrix: Float32Array, n: number): Tridiagonal {
  const kernels = freshKernels();
  const lower = kernels.arena.allocate((n * (n + 1) * 8) / 2);
  const diagonal = kernels.arena.allocate(n * 8);
  const offDiagonal = kernels.arena.allocate(n * 8);
  const target = kernels.f64(lower, (n * (n + 1)) / 2);
  for (let r = 0, start = 0; r < n; start += ++r) {
    target.set(matrix.subarray(r * n, r * n + r + 1), start);
  }
  kernels.tridiagonalise(lower, n, diagonal, offDiagonal);
  return {
    diagonal: kernels.f64(diagonal, n).slice(),
    offDiagonal: kernels.f64(offDiagonal, n).slice(),
  };
}

/** WWᵀ where W has no more rows than columns, else WᵀW: [n, n]. */
function smallerProducts(tensor: StoredFloatTensor): Float32Array<ArrayBuffer> {
  const [rows = 0, columns = 0] = tensor.shape;
  const wide = rows <= columns;
  const n = Math.min(rows, columns);
  // Small buffers are kept for the next matrix; large ones would be there while blocks are pruned.
  const buffer = n > LARGEST_AT_ONCE ? (_: string, length: number) => alignedFloat32(length) : scratch;
  const products = buffer('spectrum products', n * n);
  const slab = buffer('spectrum slab', SLAB * n);
  const out = arrayTensor(products, [n, n]);
  for (const part of partsOf(wide ? columns : rows, SLAB)) {
    const { count } = part;
    const used = slab.subarray(0, count * n);
    readSlab(tensor, wide, part, used);
    const w = arrayTensor(used, wide ? [n, count] : [count, n]);
    gemm(w, w, out, { [wide ? 'transposeB' : 'transposeA']: true, accumulate: part.first > 0 });
  }
  return products;
}

/** Rows or columns of W. @param target where they go, row after row */
function readSlab(tensor: StoredFloatTensor, wide: boolean, part: Part, target: Float32Array): void {
  const [, columns = 0] = tensor.shape;
  const { first, count } = part;
  const slab = wide ? columnsOf(tensor, part) : tensor;
  const start = wide ? 0 : first * columns;
  const { file, dtype } = slab;
  const offset = slab.offset + start * bytesPerElement(dtype);
  const bad = readElements({ file, offset, dtype, elements: target.length }, (chunk, at) =>
    target.set(chunk, at),
  );
  if (!bad) return;
  const at = bad.index;
  const index = wide ? Math.floor(at / count) * columns + first + (at % count) : start + at;
  throw new RunError(`${filePath(file)}: tensor ${tensor.name} holds ${bad.value} at index ${index}`);
}
