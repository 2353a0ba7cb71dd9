/**
 * Worker task: a part of a full symmetric matrix from a strip of its lower half.
 * @module
 */
import type { Strip } from '../statistics/gram-layout.js';
import type { GramRef } from '../statistics/group-statistics.js';
import { float32View } from '../system/native-memory.js';
import { forEachRow } from './matrix-block.js';

export interface FullStripArguments {
  readonly gram: GramRef;
  /** Of the Gram matrix. */
  readonly strip: Strip;
  /** Of the full matrix, [features, features] f32. */
  readonly address: bigint;
  /** For the strip's features, [strip.width]. */
  readonly diagonal: Float64Array;
}

/** Writes a strip of H = (2/tokens)·XᵀX on both sides of the diagonal. */
export function fullStrip({ gram, strip, address, diagonal }: FullStripArguments): void {
  const { first, width, rows } = strip;
  const scale = 2 / gram.tokens;
  const source = float32View(gram.address + BigInt(strip.offset * 4), rows * width);
  const start = { address, stride: gram.size, row: first, column: first };
  const mirrored: Float32Array[] = [];
  forEachRow({ ...start, rows: width, columns: rows }, (row) => mirrored.push(row));
  forEachRow({ ...start, rows, columns: width }, (row, i) => {
    const end = Math.min(width, i + 1);
    for (let j = 0; j < end; j++) {
      const value = i === j ? (diagonal[j] as number) : (source[i * width + j] as number) * scale;
      row[j] = value;
      (mirrored[j] as Float32Array)[i] = value;
    }
  });
}
