/**
 * FP8 E4M3 with a scale for every block, as DeepSeek-V3 is stored (DeepSeek-AI 2024, arXiv 2412.19437).
 * @module
 */
import type { Codec, ReadBytes } from './encoded-tensor.js';
import type { Kernels } from './kernels.js';
import type { Fp8Tensor } from './tensor-file.js';

/** The largest value of a code. */
const LARGEST = 448;
/** The largest magnitude that rounds to it. */
const LARGEST_ROUNDED = 464;
/** Below, a scale would have fewer digits. */
const LEAST_NORMAL = 2 ** -126;

/** Elements of one row, beginning at a column. */
interface RowPiece {
  /** Counted from the first that was asked for. */
  readonly start: number;
  readonly n: number;
  readonly column: number;
  /** Row of blocks. */
  readonly blockRow: number;
}

export const fp8Codec: Codec<Fp8Tensor> = {
  decode(kernels, tensor, { first, n, plain }, read) {
    const { path, start, block } = tensor;
    kernels.arena.borrow(n, (codes) => {
      const scalesOf = scaleReader(kernels, tensor, read);
      read(path, start + first, kernels.u8(codes, n));
      for (const piece of rowPieces(tensor, first, n)) {
        const columns = { first: piece.column, width: block[1] };
        const scales = scalesOf(piece.blockRow);
        kernels.fp8ToF32(codes + piece.start, scales, plain + piece.start * 4, piece.n, columns);
      }
    });
  },
  encode(kernels, tensor, { first, n, plain }, read, write) {
    const { path, start, block } = tensor;
    return kernels.arena.borrow(n, (codes) => {
      const scalesOf = scaleReader(kernels, tensor, read);
      for (const piece of rowPieces(tensor, first, n)) {
        const columns = { first: piece.column, width: block[1] };
        const scales = scalesOf(piece.blockRow);
        const unfit = kernels.f32ToFp8(
          plain + piece.start * 4,
          scales,
          codes + piece.start,
          piece.n,
          columns,
        );
        if (unfit >= 0) return piece.start + unfit;
      }
      write(path, start + first, kernels.u8(codes, n));
      return -1;
    });
  },
  widen(kernels, tensor, first, values, read, write) {
    const { columns, block, scales } = tensor;
    if (first % (block[0] * columns) !== 0) throw new RangeError(`${tensor.path}: no whole blocks`);
    const scalesOf = scaleReader(kernels, tensor, read);
    const row = kernels.arena.allocate(columns * 4);
    const bytes = scaleBytes(tensor);
    const count = Math.ceil(columns / block[1]);
    const rounded = kernels.arena.allocate(count * bytes);
    for (let at = 0; at < values.length; at += block[0] * columns) {
      const band = values.subarray(at, at + block[0] * columns);
      const most = largestOfBlocks(kernels, row, band, columns, block[1]);
      const blockRow = (first + at) / (block[0] * columns);
      const place = scalesOf(blockRow);
      const own = kernels.f32(place, count);
      let widened = false;
      for (const [index, magnitude] of most.entries()) {
        if (!Number.isFinite(magnitude)) continue;
        if (Math.fround(magnitude / Math.abs(own[index] as number)) > LARGEST_ROUNDED) {
          own[index] = scaleFor(magnitude, scales.powersOfTwo);
          widened = true;
        }
      }
      if (!widened) continue;
      if (scales.dtype === 'BF16') kernels.f32ToBf16(place, rounded, count);
      if (scales.dtype === 'F16') kernels.f32ToF16(place, rounded, count);
      const data = kernels.u8(scales.dtype === 'F32' ? place : rounded, count * bytes);
      write(scales.path, scales.start + blockRow * count * bytes, data);
    }
  },
};

/** What makes a value the largest of its block. */
function scaleFor(magnitude: number, powersOfTwo: boolean): number {
  const scale = Math.max(magnitude / LARGEST, LEAST_NORMAL);
  return powersOfTwo ? 2 ** Math.ceil(Math.log2(scale)) : scale;
}

function scaleBytes({ scales }: Fp8Tensor): 2 | 4 {
  return scales.dtype === 'F32' ? 4 : 2;
}

function* rowPieces({ columns, block }: Fp8Tensor, first: number, n: number): Generator<RowPiece> {
  for (let start = 0; start < n; ) {
    const row = Math.floor((first + start) / columns);
    const column = (first + start) % columns;
    const count = Math.min(n - start, columns - column);
    yield { start, n: count, column, blockRow: Math.floor(row / block[0]) };
    start += count;
  }
}

/** Gives the place where the scales of a row of blocks lie, as f32; they are read when they are others than before. */
function scaleReader(kernels: Kernels, tensor: Fp8Tensor, read: ReadBytes): (blockRow: number) => number {
  const { columns, block, scales } = tensor;
  const count = Math.ceil(columns / block[1]);
  const bytes = scaleBytes(tensor);
  const place = kernels.arena.allocate(count * 4);
  const stored = kernels.arena.allocate(count * bytes);
  let current = -1;
  return (blockRow) => {
    if (blockRow !== current) {
      read(scales.path, scales.start + blockRow * count * bytes, kernels.u8(stored, count * bytes));
      if (scales.dtype === 'BF16') kernels.bf16ToF32(stored, place, count);
      else if (scales.dtype === 'F16') kernels.f16ToF32(stored, place, count);
      else kernels.u8(place, count * 4).set(kernels.u8(stored, count * 4));
      current = blockRow;
    }
    return place;
  };
}

/** Of rows that make up one row of blocks. @param row room for a row of f32 in the kernels' memory */
function largestOfBlocks(
  kernels: Kernels,
  row: number,
  rows: Float32Array,
  columns: number,
  width: number,
): Float32Array {
  const most = new Float32Array(Math.ceil(columns / width));
  for (let at = 0; at < rows.length; at += columns) {
    kernels.f32(row, columns).set(rows.subarray(at, at + columns));
    for (const index of most.keys()) {
      const begin = index * width;
      const largest = kernels.largestMagnitude(row + begin * 4, Math.min(width, columns - begin));
      most[index] = Math.max(most[index] as number, largest);
    }
  }
  return most;
}
