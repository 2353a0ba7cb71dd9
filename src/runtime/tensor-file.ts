/**
 * Where the elements of a tensor lie: in a file from some place on, scattered over a larger tensor in one, or as codes.
 * @module
 */

/** Element (r, c) of a matrix is the larger tensor's ⌊r / run⌋·runStride + (r mod run)·rowStride + c·columnStride + offset. */
export interface Strides {
  readonly offset: number;
  readonly run: number;
  readonly runStride: number;
  readonly rowStride: number;
  readonly columnStride: number;
}

/** A matrix scattered over a larger tensor, as if its bytes were a file of their own: row after row, from 0 on. */
export interface TensorView {
  readonly whole: string | EncodedTensor;
  /** Bytes before the larger tensor. */
  readonly start: number;
  readonly elementBytes: 2 | 4;
  readonly columns: number;
  readonly strides: Strides;
}

/** What scales of FP8 are stored as. */
export type Fp8ScaleDtype = 'F32' | 'BF16' | 'F16';

/**
 * Codes of FP8 E4M3 [rows, columns] with a scale for every block of them (which may be a row, or all of them), as if they were a file of f32: what each code stands
 * for times its scale, row after row, from 0 on.
 */
export interface Fp8Tensor {
  readonly encoding: 'fp8';
  readonly path: string;
  /** Bytes before the codes. */
  readonly start: number;
  readonly columns: number;
  /** Rows and columns of a block; those at the ends may have fewer. */
  readonly block: readonly [rows: number, columns: number];
  readonly scales: {
    readonly path: string;
    /** Bytes before the scales [block rows, block columns]. */
    readonly start: number;
    readonly dtype: Fp8ScaleDtype;
    /** Whether a scale has to be a power of two. */
    readonly powersOfTwo: boolean;
  };
}

/** Codes of MXFP4, two a byte, with a scale for every 32 of them, in the same way as a file of f32. */
export interface Mxfp4Tensor {
  readonly encoding: 'mxfp4';
  readonly path: string;
  /** Bytes before the codes. */
  readonly start: number;
  readonly scales: { readonly path: string; readonly start: number };
}

export type EncodedTensor = Fp8Tensor | Mxfp4Tensor;

export type TensorFile = string | TensorView | EncodedTensor;

/** Whether what is written to it has to be rounded to codes. */
export function isEncoded(file: TensorFile): boolean {
  return typeof file !== 'string' && ('encoding' in file || isEncoded(file.whole));
}

/**
 * Whether elements of other matrices lie between those that follow each other in a column: these are written with it, as they
 * were read, so that two such matrices must not be written at the same time.
 */
export function isInterleaved(file: TensorFile): boolean {
  return (
    typeof file !== 'string' &&
    'strides' in file &&
    file.strides.rowStride > 1 &&
    file.strides.columnStride > 1
  );
}

/** Rows of a matrix that may share scales. */
export function scaleRows(file: TensorFile): number {
  return typeof file !== 'string' && 'encoding' in file && file.encoding === 'fp8' ? file.block[0] : 1;
}

/** The path of the file itself. */
export function filePath(file: TensorFile): string {
  if (typeof file === 'string') return file;
  return 'encoding' in file ? file.path : filePath(file.whole);
}

/** Rows and columns of a view; from row to row and from column to column it is equally far in the file. */
export interface ViewPart {
  /** Bytes from the start of the file to the first element. */
  readonly position: number;
  readonly rows: number;
  readonly columns: number;
  /** Of the first element, counted from the first that was asked for. */
  readonly index: number;
}

/**
 * The parts of some elements of a view, in its order.
 *
 * @param first in the order of the view
 */
export function* viewParts(view: TensorView, first: number, count: number): Generator<ViewPart> {
  const { start, elementBytes, columns, strides } = view;
  const { offset, run, runStride, rowStride, columnStride } = strides;
  const end = first + count;
  for (let at = first; at < end; ) {
    const row = Math.floor(at / columns);
    const column = at % columns;
    const inRun = row % run;
    const whole = column === 0 ? Math.min(run - inRun, Math.floor((end - at) / columns)) : 0;
    const rows = Math.max(1, whole);
    const width = whole > 0 ? columns : Math.min(columns - column, end - at);
    const place = offset + Math.floor(row / run) * runStride + inRun * rowStride + column * columnStride;
    yield { position: start + elementBytes * place, rows, columns: width, index: at - first };
    at += rows * width;
  }
}
