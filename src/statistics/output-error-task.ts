/**
 * Worker task: what a change of some rows does to a linear's output, from the Gram matrix of its input.
 * @module
 */
import { RunError } from '../errors.js';
import { bytesPerElement } from '../forward/float-storage.js';
import { readElements } from '../forward/read-elements.js';
import type { StoredFloatTensor } from '../forward/stored-tensor.js';
import { gemm } from '../runtime/gemm.js';
import { scratch } from '../runtime/scratch.js';
import { filePath } from '../runtime/tensor-file.js';
import { arrayTensor, type TensorRef } from '../runtime/tensor-ref.js';
import { freshKernels } from '../runtime/worker-kernels.js';
import { float32View } from '../system/native-memory.js';
import { gramStrips } from './gram-layout.js';
import type { GramRef } from './group-statistics.js';

export interface OutputErrorArguments {
  /** [out, in], as it was before pruning; stored, or f32 in native memory. */
  readonly dense: StoredFloatTensor | TensorRef;
  readonly firstRow: number;
  readonly rows: number;
  readonly columns: number;
  /** Of the rows after pruning, f32 [rows, columns]. */
  readonly pruned: bigint;
  readonly gram: GramRef;
}

/** Squared Frobenius norms over the Gram's tokens. */
export interface OutputNorms {
  /** ‖(W−Ŵ)X‖² = tr(ΔGΔᵀ) */
  readonly error: number;
  /** ‖WX‖² = tr(WGWᵀ) */
  readonly reference: number;
}

export function outputNorms(args: OutputErrorArguments): OutputNorms {
  const { rows, columns, gram } = args;
  const dense = loadRows(args);
  const reference = quadraticForm(dense, rows, columns, gram);
  const pruned = float32View(args.pruned, rows * columns);
  for (let i = 0; i < dense.length; i++) dense[i] = (dense[i] as number) - (pruned[i] as number);
  return { error: quadraticForm(dense, rows, columns, gram), reference };
}

/** tr(D·G·Dᵀ) for D [rows, columns], from the lower half of G. */
function quadraticForm(d: Float32Array, rows: number, columns: number, gram: GramRef): number {
  const transposed = transposeRows(d, rows, columns);
  let total = 0;
  for (const { first, width, rows: below, offset } of gramStrips(columns)) {
    const strip = { address: gram.address + BigInt(offset * 4), shape: [below, width] };
    const slab = transposed.subarray(first * rows);
    const own = slab.subarray(0, width * rows);
    const product = scratch('gram product', width * rows);
    const out = arrayTensor(product, [width, rows]);
    gemm(strip, arrayTensor(slab, [below, rows]), out, { transposeA: true });
    total += 2 * dot(product, own);
    // The diagonal block was counted twice.
    const diagonal = { ...strip, shape: [width, width] };
    gemm(diagonal, arrayTensor(own, [width, rows]), out, { transposeA: true });
    total -= dot(product, own);
  }
  return total;
}

function loadRows({ dense, firstRow, rows, columns }: OutputErrorArguments): Float32Array {
  const target = scratch('dense rows', rows * columns);
  if ('address' in dense) {
    target.set(float32View(dense.address + BigInt(firstRow * columns * 4), rows * columns));
    return target;
  }
  const offset = dense.offset + firstRow * columns * bytesPerElement(dense.dtype);
  const { file, dtype } = dense;
  const bad = readElements({ file, offset, dtype, elements: rows * columns }, (chunk, start) =>
    target.set(chunk, start),
  );
  if (bad) throw new RunError(`${filePath(file)}: tensor ${dense.name} changed while it was being pruned`);
  return target;
}

function transposeRows(d: Float32Array, rows: number, columns: number): Float32Array {
  const target = scratch('transposed rows', rows * columns);
  const kernels = freshKernels();
  const width = Math.min(columns, 256);
  const from = kernels.arena.allocate(rows * width * 4);
  const to = kernels.arena.allocate(rows * width * 4);
  for (let first = 0; first < columns; first += width) {
    const n = Math.min(width, columns - first);
    const gathered = kernels.f32(from, rows * n);
    for (let row = 0; row < rows; row++) {
      gathered.set(d.subarray(row * columns + first, row * columns + first + n), row * n);
    }
    kernels.transpose(from, to, rows, n);
    target.set(kernels.f32(to, rows * n), first * rows);
  }
  return target;
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}
