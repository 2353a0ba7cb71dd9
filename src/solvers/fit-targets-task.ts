/**
 * Worker task: what rows of weights have to become to make up for what a linear lacks.
 * @module
 */
import { gemm } from '../runtime/gemm.js';
import { scratch } from '../runtime/scratch.js';
import { float32View } from '../system/native-memory.js';

export interface FittedTargetRows {
  readonly rows: number;
  readonly columns: number;
  /** H⁻¹, [columns, columns] f32 */
  readonly inverse: bigint;
  /** Σ lack·xᵀ, [rows, columns] f32; replaced by the new weights. */
  readonly sums: bigint;
  /** [rows, columns] f32, replaced by the new weights. */
  readonly weights: bigint;
  /** Of H, and so of the sums: share · 2 / tokens. */
  readonly scale: number;
}

export function fitTargetRows({ rows, columns, inverse, sums, weights, scale }: FittedTargetRows): void {
  const shape = [rows, columns];
  const a = { address: sums, shape };
  const b = { address: inverse, shape: [columns, columns] };
  const values = float32View(weights, rows * columns);
  const before = scratch('weights before', rows * columns);
  before.set(values);
  gemm(a, b, { address: weights, shape }, { alpha: scale, accumulate: true });
  for (let i = 0; i < before.length; i++) if (before[i] === 0) values[i] = 0;
  float32View(sums, rows * columns).set(values);
}
