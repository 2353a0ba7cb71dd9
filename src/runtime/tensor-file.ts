/**
 * Where the bytes of a tensor lie: in a file from some place on, or scattered over a larger tensor in one.
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
  readonly path: string;
  /** Bytes before the larger tensor. */
  readonly start: number;
  readonly elementBytes: 2 | 4;
  readonly columns: number;
  readonly strides: Strides;
}

export type TensorFile = string | TensorView;

/** The path of the file itself. */
export function filePath(file: TensorFile): string {
  return typeof file === 'string' ? file : file.path;
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
