/**
 * Reading and writing transposed tensors in bands of whole rows: each column of a band is a piece of the file, so that many
 * rows at a time take fewer and longer reads. Used inside workers.
 * @module
 */
import { rowsWithin } from './parts.js';
import { scratch } from './scratch.js';
import { filePath, type TensorFile, type TensorView } from './tensor-file.js';
import { readView, writeView } from './view-bytes.js';

/** Elements of a band, and of what a task takes of a transposed tensor; more only if a row has more. */
export const BAND_ELEMENTS = 4_194_304;

/** Consecutive bytes. */
export interface ByteRange {
  readonly offset: number;
  readonly bytes: number;
}

/** Whether what follows each other in a row lies apart in the file. */
export function isTransposed(file: TensorFile): file is TensorView {
  return typeof file !== 'string' && 'strides' in file && file.strides.columnStride !== 1;
}

/**
 * Reads within a range of a view's own bytes, in its order.
 *
 * @param read fills an array from a place in the file
 */
export function bandReader(
  view: TensorView,
  within: ByteRange,
  read: (position: number, target: Uint8Array) => void,
): (offset: number, target: Uint8Array) => void {
  const bands = new Bands('read', view, within);
  let band = bands.at(within.offset, 0);
  return (offset, target) => {
    for (let done = 0; done < target.byteLength; ) {
      const at = offset + done;
      if (at < band.offset || at >= band.offset + band.data.byteLength) {
        band = bands.at(at);
        readView(view, band.offset, band.data, read);
      }
      const piece = band.data.subarray(at - band.offset, at - band.offset + target.byteLength - done);
      target.set(piece, done);
      done += piece.byteLength;
    }
  };
}

/**
 * Writes a range of a view's own bytes, from its start to its end; a band reaches the file once it is complete.
 *
 * @param write puts an array to a place in the file
 * @param read fills one from there
 */
export function bandWriter(
  view: TensorView,
  within: ByteRange,
  write: (position: number, data: Uint8Array) => void,
  read: (position: number, target: Uint8Array) => void,
): (offset: number, data: Uint8Array) => void {
  const bands = new Bands('written', view, within);
  let band = bands.at(within.offset);
  let filled = 0;
  return (offset, data) => {
    if (offset !== band.offset + filled)
      throw new Error(`a band of ${filePath(view)} is not written in order`);
    for (let done = 0; done < data.byteLength; ) {
      if (filled === band.data.byteLength) {
        band = bands.at(band.offset + filled);
        filled = 0;
      }
      const piece = data.subarray(done, done + band.data.byteLength - filled);
      band.data.set(piece, filled);
      filled += piece.byteLength;
      done += piece.byteLength;
      if (filled === band.data.byteLength) writeView(view, band.offset, band.data, write, read);
    }
  };
}

class Bands {
  readonly #use: 'read' | 'written';
  readonly #bytes: number;
  readonly #within: ByteRange;

  constructor(use: 'read' | 'written', { columns, elementBytes }: TensorView, within: ByteRange) {
    this.#use = use;
    const rowBytes = columns * elementBytes;
    const rows = Math.ceil(within.bytes / rowBytes);
    const bands = Math.max(1, Math.ceil(rows / rowsWithin(BAND_ELEMENTS, columns)));
    this.#bytes = Math.ceil(rows / bands) * rowBytes;
    this.#within = within;
  }

  /** The thread's buffer for the band from `offset` on. */
  at(offset: number, most = this.#bytes): { readonly offset: number; readonly data: Uint8Array } {
    const bytes = Math.min(most, this.#within.offset + this.#within.bytes - offset);
    if (bytes < 0 || offset < this.#within.offset)
      throw new RangeError(`${offset} lies outside of its range`);
    const { buffer, byteOffset } = scratch(`band that is ${this.#use}`, Math.ceil(bytes / 4));
    return { offset, data: new Uint8Array(buffer, byteOffset, bytes) };
  }
}
