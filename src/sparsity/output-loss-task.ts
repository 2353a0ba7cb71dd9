/**
 * Worker tasks: what removing groups of weights does to the output of their linear, ½·tr(ΔHΔᵀ) with Δ the weights that go
 * and H = (2/tokens)·XᵀX: the mean over tokens of the squared change, and exact. The others keep their values.
 * @module
 */
import { gramBlocks } from '../statistics/gram-block.js';
import type { GramRef } from '../statistics/group-statistics.js';
import { float32View } from '../system/native-memory.js';
import { groupMasks } from './group-masks.js';
import { Tiling } from './tiling.js';

export interface OutputLossArguments {
  readonly gram: GramRef;
  /** The rows [rows, columns] f32. */
  readonly weights: bigint;
  readonly rows: number;
  readonly columns: number;
}

export interface TileLossArguments extends OutputLossArguments {
  /** [rows, columns] of a tile; the rows begin with a row of tiles. */
  readonly tile: readonly [number, number];
}

/** Of every tile of the rows. */
export function tileLosses({ gram, weights, rows, columns, tile }: TileLossArguments): Float64Array {
  const tiling = new Tiling(rows, columns, tile);
  const { tileRows, tileColumns, across } = tiling;
  const block = gramBlocks(gram);
  const matrix = float32View(weights, rows * columns);
  const losses = new Float64Array(tiling.count);
  for (let place = 0; place < across; place++) {
    const first = place * tileColumns;
    const width = Math.min(tileColumns, columns - first);
    const h = block(first, width);
    for (let row = 0; row < rows; row++) {
      const start = row * columns + first;
      const target = Math.floor(row / tileRows) * across + place;
      losses[target] = (losses[target] as number) + quadratic(matrix, start, h, width) / gram.tokens;
    }
  }
  return losses;
}

/** w·XᵀX·wᵀ of consecutive weights. */
function quadratic(w: Float32Array, start: number, h: Float64Array, width: number): number {
  let total = 0;
  for (let i = 0; i < width; i++) {
    const wi = w[start + i] as number;
    if (wi === 0) continue;
    let sum = 0;
    for (let j = 0; j < i; j++) sum += (h[i * width + j] as number) * (w[start + j] as number);
    total += wi * (2 * sum + (h[i * width + i] as number) * wi);
  }
  return total;
}

export interface GroupLossArguments extends OutputLossArguments {
  readonly keep: number;
  readonly of: number;
  /** Whether only masks count that take as many weights that are zero as there are. */
  readonly keepZeros: boolean;
}

/** The two best masks of each group, by their places in `groupMasks`; of equal ones the first. Without a second, its loss is infinite. */
export interface GroupScreening {
  readonly best: Uint16Array;
  readonly bestLoss: Float64Array;
  readonly next: Uint16Array;
  readonly nextLoss: Float64Array;
}

export function screenGroups(args: GroupLossArguments): GroupScreening {
  const { gram, weights, rows, columns, keep, of, keepZeros } = args;
  const masks = groupMasks(of, of - keep);
  const block = gramBlocks(gram);
  const matrix = float32View(weights, rows * columns);
  const across = columns / of;
  const best = new Uint16Array(rows * across);
  const next = new Uint16Array(rows * across);
  const bestLoss = new Float64Array(rows * across);
  const nextLoss = new Float64Array(rows * across);
  const products = new Float64Array(of * of);
  for (let place = 0; place < across; place++) {
    const h = block(place * of, of);
    for (let row = 0; row < rows; row++) {
      const start = row * columns + place * of;
      for (let i = 0; i < of; i++) {
        for (let j = 0; j <= i; j++) {
          const product =
            (h[i * of + j] as number) * (matrix[start + i] as number) * (matrix[start + j] as number);
          products[i * of + j] = (i === j ? product : 2 * product) / gram.tokens;
        }
      }
      let [first, second] = [0, 0];
      let [least, after] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
      for (let mask = 0; mask < masks.length; mask++) {
        const removed = masks[mask] as number[];
        if (keepZeros && !takesZeros(matrix, start, of, removed)) continue;
        const loss = maskLoss(products, removed, of);
        if (loss < least) {
          [second, after] = [first, least];
          [first, least] = [mask, loss];
        } else if (loss < after) [second, after] = [mask, loss];
      }
      const group = row * across + place;
      best[group] = first;
      bestLoss[group] = least;
      next[group] = second;
      nextLoss[group] = after;
    }
  }
  return { best, bestLoss, next, nextLoss };
}

/** Whether a mask takes the zeros of a group, or of too many of them nothing else. @param start of the group's weights */
export function takesZeros(
  weights: Float32Array,
  start: number,
  of: number,
  removed: readonly number[],
): boolean {
  const taken = removed.filter((index) => weights[start + index] === 0).length;
  if (taken === removed.length) return true;
  return weights.subarray(start, start + of).reduce((zeros, w) => zeros + (w === 0 ? 1 : 0), -taken) === 0;
}

function maskLoss(products: Float64Array, removed: readonly number[], of: number): number {
  let loss = 0;
  for (let a = 0; a < removed.length; a++) {
    const i = (removed[a] as number) * of;
    for (let b = 0; b <= a; b++) loss += products[i + (removed[b] as number)] as number;
  }
  return loss;
}
