/**
 * The gradients of a block's weights, added up over windows.
 * @module
 */
import { runWindow, type WindowArguments } from '../forward/window-task.js';
import { weightGradientName } from '../graph/block-gradient-graph.js';
import { sumGradientsGraph } from '../graph/sum-gradients-graph.js';
import {
  type BlockDescription,
  type LinearDescription,
  weightCount,
  weightName,
} from '../model/description.js';
import type { GraphStore } from '../runtime/compiled-graph.js';
import { partsOf } from '../runtime/parts.js';
import type { TensorRef } from '../runtime/tensor-ref.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import { allocateNative, freeNative } from '../system/native-memory.js';
import { addGradients, type GradientsToAdd } from './gradient-task.js';
import { inBatches } from './in-batches.js';

/** Elements that all windows of a batch are added for at a time: they stay in the processor's cache. */
export const PART_ELEMENTS = 65_536;

/** Over the windows, of a linear's weight [out, in], f32. */
export interface GradientSums {
  /** Σ g, g being the gradient of a window's loss. */
  readonly sum: TensorRef;
  /** Σ g² */
  readonly sumOfSquares: TensorRef;
  /** Windows whose losses these are the gradients of; what sums are divided by to get a mean. */
  readonly windows: number;
}

export interface SumGradientsOptions {
  readonly pool: WorkerPool;
  readonly graphs: GraphStore;
  readonly block: BlockDescription;
  /** Of the block, those whose gradients are wanted. */
  readonly linears: readonly LinearDescription[];
  readonly windows: number;
  /** Whose gradients the sums are; `windows` when left out. */
  readonly losses?: number | undefined;
  /** Windows whose gradients may wait in memory; what is summed, and how, doesn't depend on it. */
  readonly mostWindows?: number | undefined;
  /** How a window's gradients, `weightGradientName` of each linear, are computed. */
  task(window: number): Omit<WindowArguments, 'captures' | 'where'>;
  /** Told after every window. */
  onWindow?(done: number): void;
  /** Told the sums by the linear's name within the block; they are valid until it returns. */
  onSums(sums: ReadonlyMap<string, GradientSums>): Promise<void>;
}

/**
 * The sums are added up in the order of the windows, whatever the number of workers.
 *
 * @throws RunError naming the block or the weight where something isn't finite
 */
export async function sumGradients(options: SumGradientsOptions): Promise<void> {
  const { pool, graphs, block, linears, windows, losses = windows } = options;
  const most = Math.max(1, Math.min(options.mostWindows ?? Number.POSITIVE_INFINITY, windows));
  const inFlight = Math.min(2 * pool.size, most);
  const setBytes = weightsBytes(linears);
  const region = allocateNative(gradientBytes(linears, pool.size, most));
  const [sum = [], squares = [], ...slots] = Array.from({ length: 2 + inFlight }, (_, set) =>
    weightRefs(linears, region.address + BigInt(set * setBytes)),
  );
  let done = 0;
  try {
    await inBatches({
      windows,
      batch: Math.max(1, Math.floor(inFlight / 2)),
      slots,
      signal: pool.signal,
      compute: async (window, slot) => {
        await pool.run('forward/window-task', runWindow, {
          ...options.task(window),
          captures: gradientCaptures(linears, slot),
          where: `the gradient of ${block.prefix.replace(/\.$/, '')}`,
        });
        options.onWindow?.(++done);
      },
      lanes: linears.length,
      add: async (lane, _first, filled) => {
        const addressOf = (refs: readonly TensorRef[]) => refs[lane]?.address ?? 0n;
        const linear = linears[lane] as LinearDescription;
        const added: GradientsToAdd = {
          name: weightName(block, linear),
          sum: addressOf(sum),
          sumOfSquares: addressOf(squares),
          gradients: filled.map(addressOf),
          parts: partsOf(elementsOf(linear), PART_ELEMENTS).map((part) => ({
            ...part,
            graph: graphs.get(`sum of gradients ${part.count}`, () => sumGradientsGraph(part.count)),
          })),
        };
        await pool.run('statistics/gradient-task', addGradients, added);
      },
    });
    const sums = new Map<string, GradientSums>();
    for (const [index, { name }] of linears.entries()) {
      const [g, g2] = [sum, squares].map((refs) => refs[index]) as [TensorRef, TensorRef];
      sums.set(name, { sum: g, sumOfSquares: g2, windows: losses });
    }
    await options.onSums(sums);
  } finally {
    freeNative(region);
  }
}

/** Bytes of the sums of a block, and of the gradients of the windows that wait in memory. */
export function gradientBytes(
  linears: readonly LinearDescription[],
  workers: number,
  mostWindows: number,
): number {
  return weightsBytes(linears) * (2 + Math.max(1, Math.min(2 * workers, mostWindows)));
}

/** f32 bytes of the weights of linears. */
export function weightsBytes(linears: readonly LinearDescription[]): number {
  return weightCount(linears) * 4;
}

export function elementsOf(linear: LinearDescription): number {
  return linear.out * linear.in;
}

/** Places of weights that lie one after the other. */
export function weightRefs(linears: readonly LinearDescription[], address: bigint): TensorRef[] {
  let next = address;
  return linears.map((linear) => {
    const ref = { address: next, shape: [linear.out, linear.in] };
    next += BigInt(elementsOf(linear) * 4);
    return ref;
  });
}

/** Where a window's task leaves the gradients of the linears. */
export function gradientCaptures(
  linears: readonly LinearDescription[],
  places: readonly TensorRef[],
): Record<string, TensorRef> {
  return Object.fromEntries(
    linears.map(({ name }, index) => [weightGradientName(name), places[index] as TensorRef]),
  );
}
