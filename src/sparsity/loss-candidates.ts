/**
 * The choice of what goes from a matrix: first by what it does to the outputs of the linear, then, for what is nearest to
 * the cut, by what was measured of the model's loss.
 * @module
 */
import { partsOf, rowsWithin } from '../runtime/parts.js';
import type { TensorRef } from '../runtime/tensor-ref.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import { gramBlocks } from '../statistics/gram-block.js';
import type { GramRef } from '../statistics/group-statistics.js';
import { float32View } from '../system/native-memory.js';
import { groupMaskCount, groupMasks } from './group-masks.js';
import { screenGroups, takesZeros, tileLosses } from './output-loss-task.js';
import { maskZeros, type Pattern } from './pattern.js';
import { Tiling } from './tiling.js';

const TASKS = 'sparsity/output-loss-task';
/** Weights of one task. */
const TASK_ELEMENTS = 262_144;

/** A linear to choose masks for. */
export interface MaskProblem {
  /** [out, in] f32 */
  readonly weights: TensorRef;
  readonly pattern: Pattern;
  readonly gram: GramRef;
  /** [rows, columns] of what goes together where the pattern is a sparsity. */
  readonly tile: readonly [number, number];
  /** Whether masks take the weights that are zero first. */
  readonly keepZeros?: boolean | undefined;
}

/** A mask as the indices of the weights that go, ascending, and Σ ½·tr(ΔHΔᵀ) over what went together. */
export interface ChosenMask {
  readonly indices: Uint32Array;
  readonly outputLoss: number;
}

/** What may go, and what is to be measured of it. */
export interface LossCandidates {
  /** For each that is to be measured, the indices of its weights. */
  readonly contenders: readonly (() => Uint32Array)[];
  /** @param losses of the contenders, in their order; left out: by the outputs of the linear alone */
  mask(losses?: readonly number[]): ChosenMask;
}

/** How many candidates a matrix has. */
export function candidateCount(
  rows: number,
  columns: number,
  pattern: Pattern,
  tile: readonly [number, number],
): number {
  if (pattern.kind === 'unstructured') return new Tiling(rows, columns, tile).count;
  return ((rows * columns) / pattern.of) * groupMaskCount(pattern.of, pattern.of - pattern.keep);
}

/** @param most candidates that may be measured */
export async function lossCandidates(
  pool: WorkerPool,
  problem: MaskProblem,
  most: number,
): Promise<LossCandidates> {
  return problem.pattern.kind === 'n:m'
    ? await groupCandidates(pool, problem, problem.pattern, most)
    : await tileCandidates(pool, problem, most);
}

/**
 * Tiles, in the order of what each alone costs a weight; of equal ones the first. The first go until the count is reached.
 * Of the last one go the weights with the smallest ½·w²·H_jj. With `keepZeros` weights that are zero go beforehand, and tiles
 * are what is left of them.
 */
async function tileCandidates(
  pool: WorkerPool,
  { weights, pattern, gram, tile, keepZeros = false }: MaskProblem,
  most: number,
): Promise<LossCandidates> {
  const [rows = 0, columns = 0] = weights.shape;
  const tiling = new Tiling(rows, columns, tile);
  const matrix = float32View(weights.address, rows * columns);
  const existing = keepZeros ? zeroIndices(matrix) : new Uint32Array();
  const indicesOf = (index: number) =>
    keepZeros ? tiling.indices(index).filter((i) => matrix[i] !== 0) : tiling.indices(index);
  const sizes = Uint32Array.from({ length: tiling.count }, (_, index) =>
    keepZeros ? indicesOf(index).length : tiling.size(index),
  );
  const sizeOf = (index: number) => sizes[index] as number;
  const parts = tiling.parts(TASK_ELEMENTS).map(({ firstRow, rows: count }) => ({
    gram,
    weights: weights.address + BigInt(firstRow * columns * 4),
    rows: count,
    columns,
    tile,
  }));
  const losses = joined(await pool.map(TASKS, tileLosses, parts));
  const order = inOrder(
    losses.map((loss, index) => (sizeOf(index) === 0 ? Number.POSITIVE_INFINITY : loss / sizeOf(index))),
  ).filter((index) => sizeOf(index) > 0);
  const zeros = Math.max(existing.length, maskZeros(pattern, rows, columns));
  let [whole, left] = [0, zeros - existing.length];
  while (whole < order.length && sizeOf(order[whole] as number) <= left) {
    left -= sizeOf(order[whole] as number);
    whole++;
  }
  // Where nothing or everything goes there is no cut.
  const contended = whole === 0 && left === 0 ? 0 : Math.min(most, order.length);
  const end = Math.min(order.length, Math.max(0, whole - Math.floor(contended / 2)) + contended);
  const first = end - contended;
  return {
    contenders: Array.from(order.subarray(first, end), (index) => () => indicesOf(index)),
    mask(measured = []) {
      const ranks = inOrder(
        Float64Array.from(measured, (loss, at) => loss / sizeOf(order[first + at] as number)),
      );
      const ranked = order.slice();
      for (const [at, rank] of ranks.entries()) ranked[first + at] = order[first + rank] as number;
      const indices = new Uint32Array(zeros);
      indices.set(existing);
      let [count, outputLoss] = [existing.length, 0];
      for (const index of ranked) {
        if (count === zeros) break;
        const own = indicesOf(index);
        if (own.length <= zeros - count) {
          indices.set(own, count);
          count += own.length;
          outputLoss += losses[index] as number;
          continue;
        }
        const part = cheapest(own, zeros - count, { weights, gram });
        indices.set(part.indices, count);
        count = zeros;
        outputLoss += part.outputLoss;
      }
      return { indices: indices.sort(), outputLoss };
    },
  };
}

function zeroIndices(matrix: Float32Array): Uint32Array {
  const indices = new Uint32Array(matrix.reduce((count, value) => (value === 0 ? count + 1 : count), 0));
  let at = 0;
  for (const [i, value] of matrix.entries()) if (value === 0) indices[at++] = i;
  return indices;
}

/** The first weights of the smallest ½·w²·H_jj. */
function cheapest(
  indices: Uint32Array,
  count: number,
  given: Pick<MaskProblem, 'weights' | 'gram'>,
): ChosenMask {
  const lossOf = gramLoss(given);
  const losses = Float64Array.from(indices, (index) => lossOf(Uint32Array.of(index)));
  const chosen = inOrder(losses).subarray(0, count);
  return {
    indices: Uint32Array.from(chosen, (at) => indices[at] as number),
    outputLoss: chosen.reduce((sum, at) => sum + (losses[at] as number), 0),
  };
}

/** Masks of M inputs: of each group the best. Those are measured whose next best is nearest to it, both of them. */
async function groupCandidates(
  pool: WorkerPool,
  { weights, gram, keepZeros = false }: MaskProblem,
  { keep, of }: { readonly keep: number; readonly of: number },
  most: number,
): Promise<LossCandidates> {
  const [rows = 0, columns = 0] = weights.shape;
  const masks = groupMasks(of, of - keep);
  const parts = partsOf(rows, rowsWithin(TASK_ELEMENTS, columns)).map(({ first, count }) => {
    const address = weights.address + BigInt(first * columns * 4);
    return { gram, weights: address, rows: count, columns, keep, of, keepZeros };
  });
  const screened = await pool.map(TASKS, screenGroups, parts);
  const groups = (rows * columns) / of;
  const best = new Uint16Array(groups);
  const next = new Uint16Array(groups);
  /** How near the next best is to the best; 0 is a tie. */
  const gaps = new Float64Array(groups);
  let [at, outputLoss] = [0, 0];
  for (const part of screened) {
    best.set(part.best, at);
    next.set(part.next, at);
    for (const [index, loss] of part.bestLoss.entries()) {
      const after = part.nextLoss[index] as number;
      // Where neither changes an output, or there is no other, there is nothing to choose.
      gaps[at + index] =
        after > 0 && after < Number.POSITIVE_INFINITY ? 1 - loss / after : Number.POSITIVE_INFINITY;
      outputLoss += loss;
    }
    at += part.best.length;
  }
  const matrix = float32View(weights.address, rows * columns);
  const every = most >= groups * masks.length;
  const contended = every
    ? Array.from({ length: groups * masks.length }, (_, index) => ({
        group: Math.floor(index / masks.length),
        mask: index % masks.length,
      })).filter(
        ({ group, mask }) => !keepZeros || takesZeros(matrix, group * of, of, masks[mask] as number[]),
      )
    : Array.from(inOrder(gaps).subarray(0, Math.floor(most / 2)))
        .filter((group) => Number.isFinite(gaps[group]))
        .flatMap((group) => [best, next].map((list) => ({ group, mask: list[group] as number })));
  const removed = (group: number, mask: number) =>
    Uint32Array.from(masks[mask] as number[], (index) => group * of + index);
  const lossOf = gramLoss({ weights, gram });
  return {
    contenders: contended.map(
      ({ group, mask }) =>
        () =>
          removed(group, mask),
    ),
    mask(measured = []) {
      const chosen = best.slice();
      const least = new Map<number, number>();
      let total = outputLoss;
      for (const [index, loss] of measured.entries()) {
        const { group, mask } = contended[index] as (typeof contended)[number];
        const known = least.get(group);
        if (known !== undefined && known <= loss) continue;
        least.set(group, loss);
        chosen[group] = mask;
      }
      for (const group of least.keys()) {
        const [now, before] = [chosen, best].map((list) => removed(group, list[group] as number));
        total += lossOf(now as Uint32Array) - lossOf(before as Uint32Array);
      }
      const indices = new Uint32Array(groups * (of - keep));
      for (const [group, mask] of chosen.entries()) indices.set(removed(group, mask), group * (of - keep));
      return { indices, outputLoss: total };
    },
  };
}

/** ½·tr(ΔHΔᵀ) of weights of one row, near each other. */
function gramLoss({
  weights,
  gram,
}: Pick<MaskProblem, 'weights' | 'gram'>): (indices: Uint32Array) => number {
  const [rows = 0, columns = 0] = weights.shape;
  const matrix = float32View(weights.address, rows * columns);
  const block = gramBlocks(gram);
  return (indices) => {
    const first = indices[0] as number;
    const width = (indices.at(-1) as number) - first + 1;
    const h = block(first % columns, width);
    let loss = 0;
    for (const i of indices) {
      for (const j of indices) {
        const product = (h[(i - first) * width + j - first] as number) * (matrix[i] as number);
        loss += (product * (matrix[j] as number)) / gram.tokens;
      }
    }
    return loss;
  };
}

/** Indices of values from the smallest to the largest; of equal ones the first. */
function inOrder(values: Float64Array): Uint32Array {
  const order = Uint32Array.from(values.keys());
  return order.sort((a, b) => (values[a] as number) - (values[b] as number) || a - b);
}

function joined(parts: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
