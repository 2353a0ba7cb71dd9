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

/** So many rows of a view are read or written together that what lies next to each other in the file is worth a call. */
const VIEW_ELEMENTS = 524_288;

/** Elements of a tensor to read or write at a time. @param usual where they lie one after the other */
export function elementsAtOnce(file: TensorFile, usual: number): number {
  return typeof file === 'string' || file.strides.columnStride === 1 ? usual : VIEW_ELEMENTS;
}

/** Elements of a view whose bytes in the file are next to each other, or at equal distances. */
export interface ViewPiece {
  /** Bytes from the start of the file. */
  readonly position: number;
  /** Elements from one to the next in the file. */
  readonly stride: number;
  readonly count: number;
  /** Of the first one, counted from the first that was asked for. */
  readonly index: number;
  /** From one to the next of those that were asked for. */
  readonly indexStride: number;
}

/**
 * The pieces of some elements of a view.
 *
 * @param first in the order of the view
 */
export function* viewPieces(view: TensorView, first: number, count: number): Generator<ViewPiece> {
  const { start, elementBytes, columns, strides } = view;
  const { offset, run, runStride, rowStride, columnStride } = strides;
  const position = (row: number, column: number) =>
    start +
    elementBytes *
      (offset + Math.floor(row / run) * runStride + (row % run) * rowStride + column * columnStride);
  const end = first + count;
  if (columnStride === 1) {
    // Rows of a run that follow each other are one piece.
    const together = rowStride === columns ? run * columns : columns;
    for (let at = first; at < end; ) {
      const until = Math.min(end, (Math.floor(at / together) + 1) * together);
      const row = Math.floor(at / columns);
      yield {
        position: position(row, at % columns),
        stride: 1,
        count: until - at,
        index: at - first,
        indexStride: 1,
      };
      at = until;
    }
    return;
  }
  const lastRow = Math.floor((end - 1) / columns);
  for (let row = Math.floor(first / columns); row <= lastRow; ) {
    const runEnd = Math.min(lastRow + 1, (Math.floor(row / run) + 1) * run);
    for (let column = 0; column < columns; column++) {
      const from = row * columns + column < first ? row + 1 : row;
      const to = (runEnd - 1) * columns + column >= end ? runEnd - 1 : runEnd;
      if (to <= from) continue;
      yield {
        position: position(from, column),
        stride: rowStride,
        count: to - from,
        index: from * columns + column - first,
        indexStride: columns,
      };
    }
    row = runEnd;
  }
}
