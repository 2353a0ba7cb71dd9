/**
 * The statistics pass of one block over the calibration windows.
 * @module
 */
import { RunError } from '../errors.js';
import type { HiddenStates } from '../forward/hidden-states.js';
import { statisticsGraph } from '../graph/block-graphs.js';
import { type BlockDescription, inputGroups } from '../model/description.js';
import type { GraphStore } from '../runtime/compiled-graph.js';
import { allocateNative, discardNative, freeNative, type NativeRegion } from '../runtime/native-memory.js';
import type { TensorRef } from '../runtime/tensor-ref.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import { collectWindow } from './collect-task.js';
import { gramStrips, stripElements } from './gram-layout.js';
import { accumulateStrip } from './gram-task.js';
import type { GroupStatistics } from './group-statistics.js';

/** Windows whose activations wait in memory for the Gram matrices; what is summed doesn't depend on it. */
export const WINDOWS_IN_FLIGHT = 4;

export interface CollectOptions {
  readonly block: BlockDescription;
  readonly weights: Readonly<Record<string, TensorRef>>;
  readonly hidden: HiddenStates;
  /** Windows to visit, from the first. */
  readonly windows: number;
  /** Of these, how many go into the Gram matrices, from the first; 0 for none. */
  readonly gramWindows: number;
  readonly signal?: AbortSignal | undefined;
  onWindow(done: number): void;
  /** Told the seconds of each half, which alternate. */
  onSeconds(phase: 'forward' | 'statistics', seconds: number): void;
}

/** f32 bytes of the Gram matrices of a block. */
export function gramBytes(block: BlockDescription): number {
  return inputGroups(block).reduce((sum, { size }) => sum + stripElements(gramStrips(size)) * 4, 0);
}

/** f32 bytes of one window's activations for the Gram matrices. */
export function activationBytes(block: BlockDescription, tokens: number): number {
  return inputGroups(block).reduce((sum, { size }) => sum + size * tokens * 4, 0);
}

/** Collects statistics block after block, in memory that it keeps. */
export class StatisticsCollector {
  readonly #pool: WorkerPool;
  readonly #graphs: GraphStore;
  #grams: NativeRegion | undefined;
  #activations: NativeRegion | undefined;

  constructor(pool: WorkerPool, graphs: GraphStore) {
    this.#pool = pool;
    this.#graphs = graphs;
  }

  /**
   * The Gram matrices in the result stay valid until the next call.
   *
   * @throws RunError naming the block and input group whose activations aren't finite
   */
  async collect(options: CollectOptions): Promise<Map<string, GroupStatistics>> {
    const { block, hidden, windows, gramWindows } = options;
    const { tokens } = hidden;
    const groups = inputGroups(block);
    const sums = groups.map(({ size }) => new Float64Array(size));
    const grams = this.#gramAddresses(block, gramWindows > 0);
    const slots = gramWindows > 0 ? this.#slotAddresses(block, tokens) : [];

    for (let first = 0; first < windows; ) {
      options.signal?.throwIfAborted();
      const intoGram = first < gramWindows;
      const end = Math.min(intoGram ? Math.min(first + slots.length, gramWindows) : windows, windows);
      const graph = this.#graphs.get(`statistics ${block.graphKey} ${tokens} ${intoGram}`, () =>
        statisticsGraph(
          block,
          tokens,
          intoGram ? ['sum of squares', 'transposed activations'] : ['sum of squares'],
        ),
      );
      const started = performance.now();
      const list = Array.from({ length: end - first }, (_, index) => ({
        graph,
        weights: options.weights,
        path: hidden.path,
        offset: hidden.offset(first + index),
        tokens,
        hiddenSize: hidden.hiddenSize,
        groups: groups.map(({ name, size }) => {
          const transposed = intoGram ? slots[index]?.get(name) : undefined;
          return transposed === undefined ? { name, size } : { name, size, transposed };
        }),
      }));
      let finished = first;
      const results = await this.#pool.map('statistics/collect-task', collectWindow, list, () => {
        options.onWindow(++finished);
      });
      for (const windowSums of results) addSums(sums, windowSums);
      const collected = performance.now();
      options.onSeconds('forward', (collected - started) / 1000);

      if (intoGram) {
        const strips = groups.flatMap(({ name, size }) =>
          gramStrips(size).map((strip) => ({
            address: grams.get(name) ?? 0n,
            strip,
            windows: slots.slice(0, end - first).map((slot) => slot.get(name) ?? 0n),
            tokens,
          })),
        );
        await this.#pool.map('statistics/gram-task', accumulateStrip, strips);
        options.onSeconds('statistics', (performance.now() - collected) / 1000);
      }
      first = end;
    }

    return new Map(
      groups.map(({ name, size }, index) => {
        const sumOfSquares = sums[index] ?? new Float64Array(size);
        const bad = sumOfSquares.findIndex((value) => !Number.isFinite(value));
        if (bad >= 0) {
          throw new RunError(`${block.prefix}: the ${name} isn't finite, first in feature ${bad}`);
        }
        const address = grams.get(name);
        const gram =
          address === undefined
            ? undefined
            : { address, size, tokens: Math.min(gramWindows, windows) * tokens };
        return [name, { group: name, size, tokens: windows * tokens, sumOfSquares, gram }];
      }),
    );
  }

  dispose(): void {
    for (const region of [this.#grams, this.#activations]) if (region) freeNative(region);
    this.#grams = undefined;
    this.#activations = undefined;
  }

  #gramAddresses(block: BlockDescription, wanted: boolean): Map<string, bigint> {
    const addresses = new Map<string, bigint>();
    if (!wanted) return addresses;
    this.#grams = cleared(this.#grams, gramBytes(block));
    let { address } = this.#grams;
    for (const { name, size } of inputGroups(block)) {
      addresses.set(name, address);
      address += BigInt(stripElements(gramStrips(size)) * 4);
    }
    return addresses;
  }

  #slotAddresses(block: BlockDescription, tokens: number): Map<string, bigint>[] {
    const bytes = activationBytes(block, tokens) * WINDOWS_IN_FLIGHT;
    if (!this.#activations || this.#activations.bytes < bytes) {
      if (this.#activations) freeNative(this.#activations);
      this.#activations = allocateNative(bytes);
    }
    let { address } = this.#activations;
    return Array.from({ length: WINDOWS_IN_FLIGHT }, () => {
      const slot = new Map<string, bigint>();
      for (const { name, size } of inputGroups(block)) {
        slot.set(name, address);
        address += BigInt(size * tokens * 4);
      }
      return slot;
    });
  }
}

function cleared(region: NativeRegion | undefined, bytes: number): NativeRegion {
  if (region && region.bytes >= bytes) {
    discardNative(region);
    return region;
  }
  if (region) freeNative(region);
  return allocateNative(bytes);
}

function addSums(totals: readonly Float64Array[], sums: readonly Float32Array[]): void {
  for (const [group, total] of totals.entries()) {
    const sum = sums[group];
    if (sum) for (let j = 0; j < total.length; j++) total[j] = (total[j] as number) + (sum[j] as number);
  }
}
