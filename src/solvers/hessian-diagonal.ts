/**
 * The diagonal of H = (2/tokens)·XᵀX, and what is added to it.
 * @module
 */
import { gramStrips } from '../statistics/gram-layout.js';
import type { GramRef } from '../statistics/group-statistics.js';
import { float32View } from '../system/native-memory.js';

export interface DampedDiagonal {
  /** H_jj plus the damping, [features] */
  readonly diagonal: Float64Array;
  /** 1 where an input never was anything but zero. */
  readonly dead: Uint8Array;
}

/**
 * @param damping as a fraction of the diagonal's mean
 * @param deadValue H_jj of dead inputs, before the mean is taken; 1 where all are dead, so that there is something to solve
 */
export function dampedDiagonal(gram: GramRef, damping: number, deadValue: number): DampedDiagonal {
  const scale = 2 / gram.tokens;
  const n = gram.size;
  const diagonal = new Float64Array(n);
  const dead = new Uint8Array(n);
  for (const { first, width, rows, offset } of gramStrips(n)) {
    const data = float32View(gram.address + BigInt(offset * 4), rows * width);
    for (let j = 0; j < width; j++) {
      const value = (data[j * width + j] as number) * scale;
      dead[first + j] = value === 0 ? 1 : 0;
      diagonal[first + j] = value === 0 ? deadValue : value;
    }
  }
  if (dead.every((value) => value === 1)) diagonal.fill(1);
  const lambda = (damping * diagonal.reduce((sum, value) => sum + value, 0)) / n;
  return { dead, diagonal: diagonal.map((value) => value + lambda) };
}

/**
 * H_jj·(1 + damping): damped where inputs are scaled to H_jj = 1. Dead inputs get next to nothing, so that their weights
 * are the first to go.
 */
export function relativelyDampedDiagonal(gram: GramRef, damping: number): Float64Array {
  const { diagonal, dead } = dampedDiagonal(gram, 0, 0);
  const mean = diagonal.reduce((sum, value) => sum + value, 0) / diagonal.length;
  return diagonal.map((value, j) => (dead[j] === 1 ? DEAD_SHARE * mean : value) * (1 + damping));
}

const DEAD_SHARE = 1e-6;
