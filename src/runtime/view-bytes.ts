/**
 * Reading and writing views of tensors by ranges of their own bytes. Used inside workers.
 * @module
 */
import { type TensorView, type ViewPiece, viewPieces } from './tensor-file.js';

type Elements = Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** Fills `target` with a view's bytes from `offset` on. @param read fills an array from a place in the file */
export function readView(
  view: TensorView,
  offset: number,
  target: Uint8Array,
  read: (position: number, target: Uint8Array) => void,
): void {
  const { elementBytes } = view;
  const elements = aligned(elementBytes, target.byteLength);
  for (const piece of pieces(view, offset, target.byteLength)) {
    const { position, stride, count, index, indexStride } = piece;
    const span = (count - 1) * stride + 1;
    if (stride === 1 && indexStride === 1) {
      read(position, bytesOf(elements.subarray(index, index + count)));
      continue;
    }
    const spanned = aligned(elementBytes, span * elementBytes);
    read(position, bytesOf(spanned));
    for (let i = 0; i < count; i++) elements[index + i * indexStride] = spanned[i * stride] as number;
  }
  target.set(bytesOf(elements));
}

/** The file of a view that is written. */
export interface WrittenFile {
  /** Fills an array from a place in the file. */
  read(position: number, target: Uint8Array): void;
  write(position: number, data: Uint8Array): void;
  /** Does something while nobody else does anything by this of the same file. */
  alone(work: () => void): void;
}

/**
 * Writes bytes of a view from `offset` on. Where other views have elements between its own, they may be written at the same
 * time.
 */
export function writeView(view: TensorView, offset: number, data: Uint8Array, file: WrittenFile): void {
  const { elementBytes } = view;
  const elements = aligned(elementBytes, data.byteLength);
  bytesOf(elements).set(data);
  const writePieces = () => {
    for (const piece of pieces(view, offset, data.byteLength)) {
      const { position, stride, count, index, indexStride } = piece;
      const spanned = aligned(elementBytes, ((count - 1) * stride + 1) * elementBytes);
      // What lies between is written as it was: a call for each element takes twenty times as long.
      if (stride > 1) file.read(position, bytesOf(spanned));
      for (let i = 0; i < count; i++) spanned[i * stride] = elements[index + i * indexStride] as number;
      file.write(position, bytesOf(spanned));
    }
  };
  const { rowStride, columnStride } = view.strides;
  if (columnStride === 1 || rowStride === 1) writePieces();
  else file.alone(writePieces);
}

function pieces(view: TensorView, offset: number, bytes: number): Iterable<ViewPiece> {
  const { elementBytes } = view;
  if (offset % elementBytes !== 0 || bytes % elementBytes !== 0) {
    throw new RangeError(`${bytes} bytes from ${offset} on are no whole elements of ${view.path}`);
  }
  return viewPieces(view, offset / elementBytes, bytes / elementBytes);
}

function aligned(elementBytes: 2 | 4, bytes: number): Elements {
  return elementBytes === 2 ? new Uint16Array(bytes / 2) : new Uint32Array(bytes / 4);
}

function bytesOf({ buffer, byteOffset, byteLength }: Elements): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
