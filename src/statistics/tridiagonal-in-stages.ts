/**
 * A large symmetric matrix to tridiagonal form in two stages, the first of which is made of large products (Bischof, Lang & Sun
 * 2000, "A framework for symmetric band reduction"). Used inside workers.
 * @module
 */
import { gemm } from '../runtime/gemm.js';
import { arrayTensor } from '../runtime/tensor-ref.js';
import { alignedFloat32 } from '../system/native-memory.js';
import type { Tridiagonal } from './tridiagonal-eigenvalues.js';

/** Diagonals below the main one that the first stage leaves. The second takes the longer, the more they are. */
const WIDTH = 32;

/** Held beside the matrix: the band, and of a panel its columns, reflections and products in f64, and in f32 what is multiplied. */
export function stageBytes(n: number): number {
  return n * PITCH * 8 + n * WIDTH * (3 * 8 + 6 * 4);
}

/** A symmetric band matrix in f64: element (i, j), i ≥ j, at j·(2·WIDTH+1) + i − j. Chasing fills twice the width. */
const PITCH = 2 * WIDTH + 1;

/**
 * Diagonals with the same eigenvalues. Products are f32, so that these are exact within some 1e-7 of the largest.
 *
 * @param matrix [n, n] f32, symmetric, both halves; destroyed
 */
export function tridiagonalInStages(matrix: Float32Array<ArrayBuffer>, n: number): Tridiagonal {
  const band = reduceToBand(matrix, n);
  chase(band, n);
  const diagonal = Float64Array.from({ length: n }, (_, j) => band[j * PITCH] as number);
  const offDiagonal = Float64Array.from({ length: n }, (_, j) =>
    j === 0 ? 0 : (band[(j - 1) * PITCH + 1] as number),
  );
  return { diagonal, offDiagonal };
}

/**
 * First stage: WIDTH columns at a time become what is below their band by a block of reflections Q = I − V·T·Vᵀ, and the rest of
 * the matrix QᵀAQ = A − V·Wᵀ − W·Vᵀ with X = A·V·T and W = X − ½·V·(TᵀVᵀX).
 */
function reduceToBand(matrix: Float32Array<ArrayBuffer>, n: number): Float64Array {
  const band = new Float64Array(n * PITCH);
  // In the place of the matrix lies what is left of it, without gaps.
  let size = n;
  let first = 0;
  while (size > WIDTH + 1) {
    const rows = size - WIDTH;
    const panel = new Float64Array(rows * WIDTH);
    for (let j = 0; j < WIDTH; j++) {
      for (let i = j; i < WIDTH; i++) band[(first + j) * PITCH + i - j] = matrix[i * size + j] as number;
    }
    for (let i = 0; i < rows; i++) {
      panel.set(matrix.subarray((WIDTH + i) * size, (WIDTH + i) * size + WIDTH), i * WIDTH);
    }
    const { v, t, r } = factorPanel(panel, rows);
    for (let j = 0; j < WIDTH; j++) {
      for (let i = 0; i < Math.min(rows, j + 1); i++)
        band[(first + j) * PITCH + WIDTH + i - j] = r[i * WIDTH + j] as number;
    }
    for (let i = 0; i < rows; i++) {
      matrix.copyWithin(i * rows, (WIDTH + i) * size + WIDTH, (WIDTH + i) * size + size);
    }
    updateRest(matrix.subarray(0, rows * rows), v, t, rows);
    size = rows;
    first += WIDTH;
  }
  for (let j = 0; j < size; j++) {
    for (let i = j; i < size; i++) band[(first + j) * PITCH + i - j] = matrix[i * size + j] as number;
  }
  return band;
}

interface Reflections {
  /** [rows, WIDTH], below the diagonal of ones; columns without a reflection are 0. */
  readonly v: Float64Array;
  /** [WIDTH, WIDTH], upper triangular. */
  readonly t: Float64Array;
  /** [WIDTH, WIDTH]: what is left of the panel. */
  readonly r: Float64Array;
}

/** QR of a panel [rows, WIDTH], which is destroyed. */
function factorPanel(panel: Float64Array, rows: number): Reflections {
  const v = new Float64Array(rows * WIDTH);
  const t = new Float64Array(WIDTH * WIDTH);
  const r = new Float64Array(WIDTH * WIDTH);
  const products = new Float64Array(WIDTH);
  for (let k = 0; k < Math.min(WIDTH, rows); k++) {
    let rest = 0;
    for (let i = k + 1; i < rows; i++) rest += (panel[i * WIDTH + k] as number) ** 2;
    const x = panel[k * WIDTH + k] as number;
    if (rest === 0) continue;
    const norm = Math.sqrt(x * x + rest);
    const beta = x > 0 ? -norm : norm;
    const tau = (beta - x) / beta;
    v[k * WIDTH + k] = 1;
    for (let i = k + 1; i < rows; i++) v[i * WIDTH + k] = (panel[i * WIDTH + k] as number) / (x - beta);
    // Of this column of V with those before it, and with those of the panel from here on.
    products.fill(0);
    for (let i = k; i < rows; i++) {
      const vi = v[i * WIDTH + k] as number;
      for (let j = 0; j < k; j++) products[j] = (products[j] as number) + vi * (v[i * WIDTH + j] as number);
      for (let j = k; j < WIDTH; j++)
        products[j] = (products[j] as number) + vi * (panel[i * WIDTH + j] as number);
    }
    for (let i = k; i < rows; i++) {
      const vi = tau * (v[i * WIDTH + k] as number);
      for (let j = k; j < WIDTH; j++)
        panel[i * WIDTH + j] = (panel[i * WIDTH + j] as number) - vi * (products[j] as number);
    }
    for (let i = 0; i < k; i++) {
      let sum = 0;
      for (let j = i; j < k; j++) sum += (t[i * WIDTH + j] as number) * (products[j] as number);
      t[i * WIDTH + k] = -tau * sum;
    }
    t[k * WIDTH + k] = tau;
  }
  r.set(panel.subarray(0, Math.min(rows, WIDTH) * WIDTH));
  return { v, t, r };
}

function updateRest(rest: Float32Array<ArrayBuffer>, v: Float64Array, t: Float64Array, rows: number): void {
  const shape = [rows, WIDTH];
  const v32 = alignedFloat32(rows * WIDTH);
  v32.set(v);
  const product = alignedFloat32(rows * WIDTH);
  const a = arrayTensor(rest, [rows, rows]);
  gemm(a, arrayTensor(v32, shape), arrayTensor(product, shape), {});
  // X = (A·V)·T, and TᵀVᵀX.
  const x = new Float64Array(rows * WIDTH);
  const vx = new Float64Array(WIDTH * WIDTH);
  for (let i = 0; i < rows; i++) {
    for (let k = 0; k < WIDTH; k++) {
      const p = product[i * WIDTH + k] as number;
      for (let j = k; j < WIDTH; j++)
        x[i * WIDTH + j] = (x[i * WIDTH + j] as number) + p * (t[k * WIDTH + j] as number);
    }
    for (let k = 0; k < WIDTH; k++) {
      const vi = v[i * WIDTH + k] as number;
      for (let j = 0; j < WIDTH; j++)
        vx[k * WIDTH + j] = (vx[k * WIDTH + j] as number) + vi * (x[i * WIDTH + j] as number);
    }
  }
  const half = new Float64Array(WIDTH * WIDTH);
  for (let i = 0; i < WIDTH; i++) {
    for (let k = 0; k <= i; k++) {
      const factor = (t[k * WIDTH + i] as number) / 2;
      for (let j = 0; j < WIDTH; j++)
        half[i * WIDTH + j] = (half[i * WIDTH + j] as number) + factor * (vx[k * WIDTH + j] as number);
    }
  }
  const left = alignedFloat32(rows * 2 * WIDTH);
  const right = alignedFloat32(rows * 2 * WIDTH);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < WIDTH; j++) {
      let w = x[i * WIDTH + j] as number;
      for (let k = 0; k < WIDTH; k++) w -= (v[i * WIDTH + k] as number) * (half[k * WIDTH + j] as number);
      const vij = v32[i * WIDTH + j] as number;
      left[i * 2 * WIDTH + j] = vij;
      left[i * 2 * WIDTH + WIDTH + j] = w;
      right[i * 2 * WIDTH + j] = w;
      right[i * 2 * WIDTH + WIDTH + j] = vij;
    }
  }
  const both = [rows, 2 * WIDTH];
  gemm(arrayTensor(left, both), arrayTensor(right, both), a, {
    transposeB: true,
    alpha: -1,
    accumulate: true,
  });
}

/** Second stage: a column at a time, what is below the first subdiagonal is reflected away, and what that fills chased down. */
function chase(band: Float64Array, n: number): void {
  const v = new Float64Array(WIDTH);
  for (let k = 0; k < n - 2; k++) {
    let from = k + 1;
    let to = Math.min(k + WIDTH, n - 1);
    let tau = reflect(band, from, to, k, v);
    while (true) {
      reflectDiagonal(band, from, to, v, tau);
      const last = Math.min(to + WIDTH, n - 1);
      if (to === last) break;
      reflectRight(band, to + 1, last, from, to, v, tau);
      const column = from;
      from = to + 1;
      tau = reflect(band, from, last, column, v);
      reflectLeft(band, from, last, column + 1, to, v, tau);
      to = last;
    }
  }
}

/** Makes rows from+1 … to of a column 0 by the reflection I − tau·v·vᵀ, v[0] = 1. Returns tau. */
function reflect(band: Float64Array, from: number, to: number, column: number, v: Float64Array): number {
  const start = column * PITCH + from - column;
  const length = to - from + 1;
  let rest = 0;
  for (let i = 1; i < length; i++) rest += (band[start + i] as number) ** 2;
  v[0] = 1;
  if (rest === 0) {
    v.fill(0, 1);
    return 0;
  }
  const x = band[start] as number;
  const norm = Math.sqrt(x * x + rest);
  const beta = x > 0 ? -norm : norm;
  for (let i = 1; i < length; i++) {
    v[i] = (band[start + i] as number) / (x - beta);
    band[start + i] = 0;
  }
  band[start] = beta;
  return (beta - x) / beta;
}

/** Of a reflection with the rows or columns that it meets. */
const product = new Float64Array(WIDTH);

/** Both sides of the rows and columns from … to. */
function reflectDiagonal(band: Float64Array, from: number, to: number, v: Float64Array, tau: number): void {
  if (tau === 0) return;
  const length = to - from + 1;
  product.fill(0);
  for (let j = 0; j < length; j++) {
    const start = (from + j) * PITCH;
    const vj = v[j] as number;
    let sum = (band[start] as number) * vj;
    for (let i = j + 1; i < length; i++) {
      const a = band[start + i - j] as number;
      sum += a * (v[i] as number);
      product[i] = (product[i] as number) + a * vj;
    }
    product[j] = (product[j] as number) + sum;
  }
  let inner = 0;
  for (let j = 0; j < length; j++) inner += (v[j] as number) * (product[j] as number);
  const half = (tau * tau * inner) / 2;
  for (let j = 0; j < length; j++) product[j] = tau * (product[j] as number) - half * (v[j] as number);
  for (let j = 0; j < length; j++) {
    const start = (from + j) * PITCH;
    const vj = v[j] as number;
    const wj = product[j] as number;
    for (let i = j; i < length; i++)
      band[start + i - j] =
        (band[start + i - j] as number) - (v[i] as number) * wj - (product[i] as number) * vj;
  }
}

/** The rows top … bottom, times the reflection of the columns from … to. */
function reflectRight(
  band: Float64Array,
  top: number,
  bottom: number,
  from: number,
  to: number,
  v: Float64Array,
  tau: number,
): void {
  if (tau === 0) return;
  const rows = bottom - top + 1;
  product.fill(0);
  for (let j = from; j <= to; j++) {
    const start = j * PITCH + top - j;
    const vj = v[j - from] as number;
    for (let i = 0; i < rows; i++) product[i] = (product[i] as number) + (band[start + i] as number) * vj;
  }
  for (let j = from; j <= to; j++) {
    const start = j * PITCH + top - j;
    const factor = tau * (v[j - from] as number);
    for (let i = 0; i < rows; i++)
      band[start + i] = (band[start + i] as number) - factor * (product[i] as number);
  }
}

/** The reflection of the rows top … bottom, times their columns from … to. */
function reflectLeft(
  band: Float64Array,
  top: number,
  bottom: number,
  from: number,
  to: number,
  v: Float64Array,
  tau: number,
): void {
  if (tau === 0) return;
  const rows = bottom - top + 1;
  for (let j = from; j <= to; j++) {
    const start = j * PITCH + top - j;
    let sum = 0;
    for (let i = 0; i < rows; i++) sum += (v[i] as number) * (band[start + i] as number);
    sum *= tau;
    for (let i = 0; i < rows; i++) band[start + i] = (band[start + i] as number) - sum * (v[i] as number);
  }
}
