/**
 * Worker tasks: the steps of `factorHessian`, on panels in the strips' layout.
 * @module
 */
import { elementCount } from '../graph/value.js';
import { gemm, gemmSum } from '../runtime/gemm.js';
import { scratch } from '../runtime/scratch.js';
import { arrayTensor, type TensorRef } from '../runtime/tensor-ref.js';
import { freshKernels } from '../runtime/worker-kernels.js';
import { gramStrips, type Strip } from '../statistics/gram-layout.js';
import type { GramRef } from '../statistics/group-statistics.js';
import { float32View } from '../system/native-memory.js';

/** Products of one run: starting a run takes as long as a small product. */
const PRODUCTS = 8;

export interface ReverseArguments {
  readonly gram: GramRef;
  readonly strip: Strip;
  /** Of the strips. */
  readonly address: bigint;
  /** Of the damped Hessian, [features] */
  readonly diagonal: Float64Array;
  /** The features in reversed order, [features] */
  readonly order: Uint32Array;
}

/** Writes a strip of the lower half of P·H·P. */
export function reverseStrip({ gram, strip, address, diagonal, order }: ReverseArguments): void {
  const n = gram.size;
  const scale = 2 / gram.tokens;
  const { first, width } = strip;
  const target = float32View(address + BigInt(strip.offset * 4), strip.rows * width);
  // A view of each strip, since one of all may be larger than views can be.
  const views = gramStrips(n).map((from) =>
    float32View(gram.address + BigInt(from.offset * 4), from.rows * from.width),
  );
  const stripOf = new Uint32Array(n);
  // In its strip's view, element i of column j lies at starts[j] + i · pitches[j].
  const starts = new Int32Array(n);
  const pitches = new Uint32Array(n);
  for (const [index, from] of gramStrips(n).entries()) {
    for (let j = from.first; j < from.first + from.width; j++) {
      stripOf[j] = index;
      starts[j] = j - from.first - from.first * from.width;
      pitches[j] = from.width;
    }
  }
  for (let c = 0; c < width; c++) {
    const feature = order[first + c] as number;
    for (let row = first + c + 1; row < n; row++) {
      const other = order[row] as number;
      const i = Math.max(feature, other);
      const j = Math.min(feature, other);
      const data = views[stripOf[j] as number] as Float32Array;
      const value = data[(starts[j] as number) + i * (pitches[j] as number)] as number;
      target[(row - first) * width + c] = value * scale;
    }
    target[c * width + c] = diagonal[feature] as number;
  }
}

/** A panel of L that is being computed. */
export interface PanelArguments {
  /** Of the strips. */
  readonly address: bigint;
  readonly strip: Strip;
  /** The strips before it, which are done. */
  readonly earlier: readonly Strip[];
  /** Place of the inverse of the panel's diagonal block, [width, width] f32. */
  readonly inverse: bigint;
}

/** Finishes a panel's diagonal block and writes its inverse. Returns the column whose pivot isn't positive, or −1. */
export function updateDiagonal(args: PanelArguments): number {
  const { first, width } = args.strip;
  subtractEarlier(args, first, width);
  const data = float32View(rowsOf(args.address, args.strip, first, width).address, width * width);
  const kernels = freshKernels();
  const block = kernels.arena.allocate(width * width * 4);
  const inverse = kernels.arena.allocate(width * width * 4);
  kernels.f32(block, width * width).set(data);
  const failed = kernels.choleskyBlock(block, width, width);
  if (failed >= 0) return failed;
  kernels.invertLower(block, inverse, width);
  data.set(kernels.f32(block, width * width));
  float32View(args.inverse, width * width).set(kernels.f32(inverse, width * width));
  return -1;
}

/** Rows of a panel below its diagonal block. */
export interface BelowArguments extends PanelArguments {
  readonly firstRow: number;
  readonly rows: number;
}

/** Brings the rows up to date with the panels before. */
export function updateBelow(args: BelowArguments): void {
  subtractEarlier(args, args.firstRow, args.rows);
}

/** Finishes rows that are up to date, with the inverse of the diagonal block. */
export function solveBelow({ address, strip, inverse, firstRow, rows }: BelowArguments): void {
  const { width } = strip;
  const below = rowsOf(address, strip, firstRow, rows);
  gemm(copied('panel', below), { address: inverse, shape: [width, width] }, below, { transposeB: true });
}

/** rows −= Σ (these rows of an earlier panel of L) · (its rows beside our diagonal block)ᵀ */
function subtractEarlier({ address, strip, earlier }: PanelArguments, firstRow: number, rows: number): void {
  const out = rowsOf(address, strip, firstRow, rows);
  for (let next = 0; next < earlier.length; next += PRODUCTS) {
    const products = earlier.slice(next, next + PRODUCTS).map((panel) => ({
      a: rowsOf(address, panel, firstRow, rows),
      b: rowsOf(address, panel, strip.first, strip.width),
    }));
    gemmSum(products, out, { transposeB: true, alpha: -1, accumulate: true });
  }
}

export interface InvertArguments {
  /** Of the strips of L. */
  readonly address: bigint;
  readonly strip: Strip;
  /** This strip and those after it, with the inverses of their diagonal blocks. */
  readonly later: readonly { readonly strip: Strip; readonly inverse: bigint }[];
  /** Receives the strip of L⁻¹. */
  readonly result: bigint;
}

/** A strip of L⁻¹: forward substitution of the identity's. */
export function invertPanel({ address, strip, later, result }: InvertArguments): void {
  const { first, width, rows } = strip;
  const data = float32View(result, rows * width).fill(0);
  for (let i = 0; i < width; i++) data[i * width + i] = 1;
  const resultRows = (row: number, count: number): TensorRef => ({
    address: result + BigInt((row - first) * width * 4),
    shape: [count, width],
  });
  for (const { strip: panel, inverse } of later) {
    const size = panel.width;
    const own = resultRows(panel.first, size);
    gemm({ address: inverse, shape: [size, size] }, copied('inverse block', own), own);
    const below = panel.rows - size;
    if (below === 0) continue;
    const next = panel.first + size;
    gemm(rowsOf(address, panel, next, below), own, resultRows(next, below), { alpha: -1, accumulate: true });
  }
}

export interface DivideArguments {
  /** Of the strips. */
  readonly address: bigint;
  readonly from: readonly Strip[];
  /** Each a part of one of those. */
  readonly to: readonly Strip[];
}

/** Turns strips into narrower ones, in place: these take less room, and so end no later. */
export function divideStrips({ address, from, to }: DivideArguments): void {
  for (const strip of from) {
    const whole = float32View(address + BigInt(strip.offset * 4), strip.rows * strip.width).slice();
    const end = strip.first + strip.width;
    for (const { first, width, rows, offset } of to) {
      if (first < strip.first || first >= end) continue;
      const part = float32View(address + BigInt(offset * 4), rows * width);
      const skipped = first - strip.first;
      for (let row = 0, i = 0; row < rows; row++) {
        const start = (skipped + row) * strip.width + skipped;
        for (let c = 0; c < width; c++, i++) part[i] = whole[start + c] as number;
      }
    }
  }
}

/** Rows of a strip, by their place in the whole matrix. */
function rowsOf(address: bigint, strip: Strip, firstRow: number, rows: number): TensorRef {
  const start = strip.offset + (firstRow - strip.first) * strip.width;
  return { address: address + BigInt(start * 4), shape: [rows, strip.width] };
}

/** What a product is about to write over. */
function copied(name: string, { address, shape }: TensorRef): TensorRef {
  const copy = scratch(name, elementCount(shape));
  copy.set(float32View(address, copy.length));
  return arrayTensor(copy, shape);
}
