/**
 * Reading and writing views of tensors by ranges of their own bytes. Used inside workers.
 * @module
 */
import { filePath, type TensorView, type ViewPiece, viewPieces } from './tensor-file.js';

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

/** Writes bytes of a view from `offset` on. @param write puts an array to a place in the file */
export function writeView(
  view: TensorView,
  offset: number,
  data: Uint8Array,
  write: (position: number, data: Uint8Array) => void,
): void {
  const { elementBytes } = view;
  const elements = aligned(elementBytes, data.byteLength);
  bytesOf(elements).set(data);
  for (const { position, stride, count, index, indexStride } of pieces(view, offset, data.byteLength)) {
    if (stride === 1) {
      const gathered = aligned(elementBytes, count * elementBytes);
      for (let i = 0; i < count; i++) gathered[i] = elements[index + i * indexStride] as number;
      write(position, bytesOf(gathered));
      continue;
    }
    // What lies between belongs to another matrix, which may be written at the same time.
    for (let i = 0; i < count; i++) {
      const at = index + i * indexStride;
      write(position + i * stride * elementBytes, bytesOf(elements.subarray(at, at + 1)));
    }
  }
}

function pieces(view: TensorView, offset: number, bytes: number): Iterable<ViewPiece> {
  const { elementBytes } = view;
  if (offset % elementBytes !== 0 || bytes % elementBytes !== 0) {
    throw new RangeError(`${bytes} bytes from ${offset} on are no whole elements of ${filePath(view)}`);
  }
  return viewPieces(view, offset / elementBytes, bytes / elementBytes);
}

function aligned(elementBytes: 2 | 4, bytes: number): Elements {
  return elementBytes === 2 ? new Uint16Array(bytes / 2) : new Uint32Array(bytes / 4);
}

function bytesOf({ buffer, byteOffset, byteLength }: Elements): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
