/**
 * Measures what the residual stream lacks beside the dense model, where linears of a block write into it.
 * @module
 */
import type { StateRecords } from '../forward/hidden-states.js';
import { type ReadTensor, runWindow } from '../forward/window-task.js';
import { activationOutputName, type BlockPass, type BlockPasses } from '../graph/block-passes.js';
import { lackOutputName, type TargetRange, targetedAfter, targetRanges } from '../graph/target-ranges.js';
import type { LinearDescription } from '../model/description.js';
import type { GraphStore } from '../runtime/compiled-graph.js';
import { equalParts } from '../runtime/parts.js';
import type { TensorRef } from '../runtime/tensor-ref.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import { KeptRegion, placesFrom } from '../system/kept-region.js';
import { addCrossProducts } from './cross-product-task.js';
import { inBatches } from './in-batches.js';
import { rangesInMemory } from './ranges-in-memory.js';
import { weightsBytes } from './sum-gradients.js';

/** Rows of a linear that one task adds to. */
const TASK_ROWS = 512;

export interface TargetOptions {
  readonly passes: BlockPasses;
  /** The pass that has just been measured. */
  readonly pass: BlockPass;
  /** Those of the linears that are pruned after the pass as they are in the source. */
  readonly weights: Readonly<Record<string, TensorRef>>;
  /** The windows in the model that is being pruned, as the pass has left them. */
  readonly pruned: StateRecords;
  /** The same in the dense model. */
  readonly dense: StateRecords;
}

/** f32 bytes of the sums of a pass. */
export function targetBytes(passes: BlockPasses, pass: BlockPass): number {
  return weightsBytes(targetedAfter(passes, pass));
}

/** f32 bytes of what waits to be added. @param most ranges that may be in memory */
export function waitingBytes(
  passes: BlockPasses,
  pass: BlockPass,
  windows: number,
  workers: number,
  most: number,
): number {
  const ranges = targetRanges(passes, pass);
  const tokens = Math.max(...ranges.map((range) => range.tokens));
  const { inFlight } = rangesInMemory(tokens, workers, most);
  const features = graphOutputs(targetedAfter(passes, pass)).reduce(
    (sum, output) => sum + output.features,
    0,
  );
  return Math.min(inFlight, windows * ranges.length) * features * tokens * 4;
}

/** Where the outputs of a range's graph wait, by their names. */
type Slot = ReadonlyMap<string, bigint>;

/** Measures pass after pass, in memory that it keeps. */
export class TargetCollector {
  readonly #pool: WorkerPool;
  readonly #graphs: GraphStore;
  readonly #mostRanges: number;
  readonly #sums = new KeptRegion();
  readonly #waiting = new KeptRegion();

  /** @param mostRanges of tokens that may wait in memory at a time */
  constructor(pool: WorkerPool, graphs: GraphStore, mostRanges: number = Number.POSITIVE_INFINITY) {
    this.#pool = pool;
    this.#graphs = graphs;
    this.#mostRanges = mostRanges;
  }

  /**
   * Of every linear of `targetedAfter`, by its name within the block, Σ over tokens of lack·xᵀ [out, in], with the lack as
   * in `targetRanges`. The result stays valid until the next call.
   */
  async collect({ passes, pass, weights, pruned, dense }: TargetOptions): Promise<Map<string, TensorRef>> {
    const linears = targetedAfter(passes, pass);
    if (linears.length === 0) return new Map();
    const outputs = graphOutputs(linears);
    const ranges = targetRanges(passes, pass);
    const longest = Math.max(...ranges.map(({ tokens }) => tokens));
    const { inFlight, batch } = rangesInMemory(longest, this.#pool.size, this.#mostRanges);
    const sums = this.#sumsOf(linears);
    const parts = Array.from({ length: pruned.windows }, (_, window) =>
      ranges.map((range) => ({ window, range })),
    ).flat();
    const lanes = linears.flatMap((linear) =>
      equalParts(linear.out, TASK_ROWS).map((rows) => ({ linear, rows })),
    );
    await inBatches({
      windows: parts.length,
      batch,
      slots: this.#waiting.takeSlots(
        outputs.map(({ name, features }) => [name, features * longest]),
        Math.min(inFlight, parts.length),
      ),
      signal: this.#pool.signal,
      compute: async (index, slot) => {
        const { window, range } = parts[index] as (typeof parts)[number];
        await this.#pool.run('forward/window-task', runWindow, {
          graph: this.#graphs.get(range.graphKey, () => range.graph()),
          weights,
          path: pruned.path,
          record: pruned.offset(window),
          reads: readsOf(range, { path: dense.path, record: dense.offset(window) }),
          writes: [],
          captures: capturesOf(outputs, range.tokens, slot),
          returns: {},
        });
      },
      lanes: lanes.length,
      add: async (lane, first, slots) => {
        const { linear, rows } = lanes[lane] as (typeof lanes)[number];
        const { address } = sums.get(linear.name) as TensorRef;
        await this.#pool.run('statistics/cross-product-task', addCrossProducts, {
          address: address + BigInt(rows.first * linear.in * 4),
          rows: rows.count,
          columns: linear.in,
          parts: slots.map((slot, index) => {
            const { tokens } = (parts[first + index] as (typeof parts)[number]).range;
            return {
              lack: placeIn(slot, lackOutputName(linear.name)) + BigInt(rows.first * tokens * 4),
              input: placeIn(slot, activationOutputName(linear.inputGroup)),
              tokens,
            };
          }),
        });
      },
    });
    // What solves with the sums may need the memory.
    this.#waiting.discard();
    return sums;
  }

  /** Gives the memory of the sums back until they are collected again. */
  discard(): void {
    this.#sums.discard();
  }

  dispose(): void {
    this.#sums.dispose();
    this.#waiting.dispose();
  }

  #sumsOf(linears: readonly LinearDescription[]): Map<string, TensorRef> {
    const places = placesFrom(
      this.#sums.takeCleared(weightsBytes(linears)),
      linears.map((linear) => [linear.name, linear.out * linear.in]),
    );
    return new Map(
      linears.map(({ name, out, in: columns }) => [
        name,
        { address: places.get(name) as bigint, shape: [out, columns] },
      ]),
    );
  }
}

/** What a range's graph gives that waits to be added. */
interface GraphOutput {
  readonly name: string;
  readonly features: number;
  readonly transposed: boolean;
}

function graphOutputs(linears: readonly LinearDescription[]): GraphOutput[] {
  const groups = new Map(linears.map((linear) => [linear.inputGroup, linear.in]));
  return [
    ...[...groups].map(([group, size]) => ({
      name: activationOutputName(group),
      features: size,
      transposed: false,
    })),
    ...linears.map(({ name, out }) => ({
      name: lackOutputName(name),
      features: out,
      transposed: true,
    })),
  ];
}

function capturesOf(outputs: readonly GraphOutput[], tokens: number, slot: Slot): Record<string, TensorRef> {
  return Object.fromEntries(
    outputs.map(({ name, features, transposed }) => [
      name,
      { address: placeIn(slot, name), shape: transposed ? [features, tokens] : [tokens, features] },
    ]),
  );
}

function placeIn(slot: Slot, name: string): bigint {
  const address = slot.get(name);
  if (address === undefined) throw new Error(`no place for ${name}`);
  return address;
}

/** @param dense where the window's record in the dense model lies */
function readsOf({ reads }: TargetRange, dense: NonNullable<ReadTensor['from']>): ReadTensor[] {
  return [...reads.pruned, ...reads.dense.map((value) => ({ ...value, from: dense }))];
}
