/**
 * Worker task: a part of a full symmetric matrix from a strip of its lower half.
 * @module
 */
import type { Strip } from '../statistics/gram-layout.js';
import type { GramRef } from '../statistics/group-statistics.js';
import { float32View } from '../system/native-memory.js';

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
  const n = gram.size;
  const { first, width, rows } = strip;
  const scale = 2 / gram.tokens;
  const source = float32View(gram.address + BigInt(strip.offset * 4), rows * width);
  const target = float32View(address, n * n);
  for (let i = 0; i < rows; i++) {
    const row = first + i;
    for (let j = 0; j < Math.min(width, i + 1); j++) {
      const value = i === j ? (diagonal[j] as number) : (source[i * width + j] as number) * scale;
      target[row * n + first + j] = value;
      target[(first + j) * n + row] = value;
    }
  }
}
