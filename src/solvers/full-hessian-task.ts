/**
 * Worker tasks: parts of a full symmetric matrix from the strips of a triangular one.
 * @module
 */
import { gemm } from '../runtime/gemm.js';
import { scratch } from '../runtime/scratch.js';
import { arrayTensor } from '../runtime/tensor-ref.js';
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

export interface InverseStripArguments {
  /** Features. */
  readonly size: number;
  /** M = L⁻¹ in reversed strips (`factorHessian`). */
  readonly factor: bigint;
  readonly strip: Strip;
  /** The strip and those after it. */
  readonly later: readonly Strip[];
  /** Of the full matrix, [features, features] f32. */
  readonly address: bigint;
}

/** Writes the products of a strip of M with itself and those after it to their places in P·Mᵀ·M·P. */
export function inverseStrip({ size: n, factor, strip, later, address }: InverseStripArguments): void {
  const target = float32View(address, n * n);
  for (const other of later) {
    const own = factor + BigInt((strip.offset + (other.first - strip.first) * strip.width) * 4);
    const block = scratch('inverse block', other.width * strip.width);
    gemm(
      { address: factor + BigInt(other.offset * 4), shape: [other.rows, other.width] },
      { address: own, shape: [other.rows, strip.width] },
      arrayTensor(block, [other.width, strip.width]),
      { transposeA: true },
    );
    for (let i = 0; i < other.width; i++) {
      const row = n - 1 - other.first - i;
      for (let j = 0; j < strip.width; j++) {
        const column = n - 1 - strip.first - j;
        const value = block[i * strip.width + j] as number;
        target[row * n + column] = value;
        target[column * n + row] = value;
      }
    }
  }
}
