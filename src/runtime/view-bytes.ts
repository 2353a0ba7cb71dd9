/**
 * Reading and writing views of tensors by ranges of their own bytes. Used inside workers.
 * @module
 */
import { scratch } from './scratch.js';
import { filePath, type TensorView, type ViewPart, viewParts } from './tensor-file.js';

type Elements = Uint16Array<ArrayBufferLike> | Uint32Array<ArrayBufferLike>;

/** Elements on their way between the order of the file and that of the view: few enough to stay in a core's cache. */
const STAGE_ELEMENTS = 65_536;
/** Where the columns of a part are this share of what lies between their starts, all of it is read in one piece. */
const DENSE_SHARE = 1 / 8;

/** Fills `target` with a view's bytes from `offset` on. @param read fills an array from a place in the file */
export function readView(
  view: TensorView,
  offset: number,
  target: Uint8Array,
  read: (position: number, target: Uint8Array) => void,
): void {
  const { elementBytes, columns, strides } = view;
  const { rowStride, columnStride } = strides;
  const isAligned = target.byteOffset % elementBytes === 0;
  const elements = elementsOf(elementBytes, isAligned ? target : new Uint8Array(target.byteLength));
  for (const part of parts(view, offset, target.byteLength)) {
    if (columnStride === 1) {
      for (const { position, index, count } of pieces(view, part)) {
        read(position, bytesOf(elements.subarray(index, index + count)));
      }
      continue;
    }
    const { height, pitch, width } = stageOf(view, part);
    const stage = stageElements(elementBytes, (width - 1) * pitch + height);
    for (let first = 0; first < part.columns; first += width) {
      const count = Math.min(width, part.columns - first);
      const position = part.position + first * columnStride * elementBytes;
      if (pitch === columnStride) {
        read(position, bytesOf(stage.subarray(0, (count - 1) * pitch + height)));
      } else {
        for (let c = 0; c < count; c++) {
          const piece = stage.subarray(c * pitch, c * pitch + height);
          read(position + c * columnStride * elementBytes, bytesOf(piece));
        }
      }
      const from = { elements: stage, row: rowStride, column: pitch };
      const to = { elements: elements.subarray(part.index + first), row: columns, column: 1 };
      moveElements(from, to, part.rows, count);
    }
  }
  if (!isAligned) target.set(bytesOf(elements));
}

/**
 * Writes bytes of a view from `offset` on.
 *
 * @param write puts an array to a place in the file
 * @param read fills one from there; what lies between elements of an interleaved view is written as it was read
 */
export function writeView(
  view: TensorView,
  offset: number,
  data: Uint8Array,
  write: (position: number, data: Uint8Array) => void,
  read: (position: number, target: Uint8Array) => void,
): void {
  const { elementBytes, columns, strides } = view;
  const { rowStride, columnStride } = strides;
  const elements = elementsOf(elementBytes, data.byteOffset % elementBytes === 0 ? data : data.slice());
  for (const part of parts(view, offset, data.byteLength)) {
    if (columnStride === 1) {
      for (const { position, index, count } of pieces(view, part)) {
        write(position, bytesOf(elements.subarray(index, index + count)));
      }
      continue;
    }
    const { rows } = part;
    const height = (rows - 1) * rowStride + 1;
    const width = Math.max(1, Math.floor(STAGE_ELEMENTS / height));
    const stage = stageElements(elementBytes, width * height);
    for (let first = 0; first < part.columns; first += width) {
      const count = Math.min(width, part.columns - first);
      // What lies between columns belongs to another matrix, which may be written at the same time.
      const pieces = Array.from({ length: height === columnStride ? 1 : count }, (_, c) => ({
        position: part.position + (first + c) * columnStride * elementBytes,
        bytes: bytesOf(stage.subarray(c * height, (height === columnStride ? count : c + 1) * height)),
      }));
      if (rowStride > 1) for (const { position, bytes } of pieces) read(position, bytes);
      const from = { elements: elements.subarray(part.index + first), row: columns, column: 1 };
      moveElements(from, { elements: stage, row: rowStride, column: height }, rows, count);
      for (const { position, bytes } of pieces) write(position, bytes);
    }
  }
}

function parts(view: TensorView, offset: number, bytes: number): Iterable<ViewPart> {
  const { elementBytes } = view;
  if (offset % elementBytes !== 0 || bytes % elementBytes !== 0) {
    throw new RangeError(`${bytes} bytes from ${offset} on are no whole elements of ${filePath(view)}`);
  }
  return viewParts(view, offset / elementBytes, bytes / elementBytes);
}

/** Elements of a view that lie together. */
interface ViewPiece {
  /** Bytes from the start of the file. */
  readonly position: number;
  /** Of the first element, counted from the first that was asked for. */
  readonly index: number;
  readonly count: number;
}

/** What lies together of a part whose rows do. */
function pieces({ elementBytes, strides: { rowStride } }: TensorView, part: ViewPart): ViewPiece[] {
  const { position, rows, columns, index } = part;
  const together = rowStride === columns ? rows : 1;
  return Array.from({ length: rows / together }, (_, piece) => ({
    position: position + piece * rowStride * elementBytes,
    index: index + piece * columns,
    count: together * columns,
  }));
}

/** What lies together of some elements of a view whose rows do. @param first in the order of the view */
export function rowPieces(view: TensorView, first: number, count: number): ViewPiece[] {
  if (view.strides.columnStride !== 1)
    throw new Error(`${filePath(view)}: rows of a view that is transposed`);
  return [...viewParts(view, first, count)].flatMap((part) => pieces(view, part));
}

/** How columns of a part are read: so many at a time, each of so many elements, so far from the next one. */
function stageOf({ strides: { rowStride, columnStride } }: TensorView, { rows, columns }: ViewPart) {
  const height = (rows - 1) * rowStride + 1;
  const pitch = height >= columnStride * DENSE_SHARE ? columnStride : height;
  return { height, pitch, width: Math.min(columns, Math.max(1, Math.floor(STAGE_ELEMENTS / pitch))) };
}

/** A matrix in memory, with elements from one row to the next and from one column to the next. */
interface Layout {
  readonly elements: Elements;
  readonly row: number;
  readonly column: number;
}

/** Copies a matrix from one layout to another, four columns at a time: twice as fast as one. */
function moveElements(from: Layout, to: Layout, rows: number, columns: number): void {
  const { elements: source, row: sourceRow, column: sourceColumn } = from;
  const { elements: target, row: targetRow, column: targetColumn } = to;
  let c = 0;
  for (; c + 4 <= columns; c += 4) {
    let s = c * sourceColumn;
    let t = c * targetColumn;
    for (let i = 0; i < rows; i++) {
      target[t] = source[s] as number;
      target[t + targetColumn] = source[s + sourceColumn] as number;
      target[t + 2 * targetColumn] = source[s + 2 * sourceColumn] as number;
      target[t + 3 * targetColumn] = source[s + 3 * sourceColumn] as number;
      s += sourceRow;
      t += targetRow;
    }
  }
  for (; c < columns; c++) {
    for (let i = 0; i < rows; i++) {
      target[i * targetRow + c * targetColumn] = source[i * sourceRow + c * sourceColumn] as number;
    }
  }
}

function stageElements(elementBytes: 2 | 4, count: number): Elements {
  const { buffer, byteOffset } = scratch('elements of a view', Math.ceil((count * elementBytes) / 4));
  return elementsOf(elementBytes, new Uint8Array(buffer, byteOffset, count * elementBytes));
}

function elementsOf(elementBytes: 2 | 4, { buffer, byteOffset, byteLength }: Uint8Array): Elements {
  return elementBytes === 2
    ? new Uint16Array(buffer, byteOffset, byteLength / 2)
    : new Uint32Array(buffer, byteOffset, byteLength / 4);
}

function bytesOf({ buffer, byteOffset, byteLength }: Elements): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
