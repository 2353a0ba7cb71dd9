/**
 * Runs the windows through one pass of a block and measures the activations that its linears read.
 * @module
 */
import { RunError } from '../errors.js';
import type { StateRecords } from '../forward/hidden-states.js';
import { runWindow, type WindowResult } from '../forward/window-task.js';
import {
  activationOutputName,
  type BlockPass,
  type BlockPasses,
  type MeasuredGroup,
  measuringKey,
  type PassRange,
  passRanges,
  sumOutputName,
} from '../graph/block-passes.js';
import type { BlockDescription } from '../model/description.js';
import type { GraphStore } from '../runtime/compiled-graph.js';
import type { TensorRef } from '../runtime/tensor-ref.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import { KeptRegion, placesFrom } from '../system/kept-region.js';
import { float32View } from '../system/native-memory.js';
import { gramStrips, stripElements } from './gram-layout.js';
import { accumulateStrips } from './gram-task.js';
import type { GroupStatistics } from './group-statistics.js';
import { inBatches } from './in-batches.js';
import { InOrder } from './in-order.js';
import { rangesInMemory } from './ranges-in-memory.js';
import { shareStrips } from './share-strips.js';

export interface CollectOptions {
  readonly block: BlockDescription;
  readonly passes: BlockPasses;
  readonly pass: BlockPass;
  readonly weights: Readonly<Record<string, TensorRef>>;
  readonly states: StateRecords;
  /** Tokens in the windows, where rows of zeros fill up the last one. */
  readonly counted?: number | undefined;
  /** Of the windows, how many go into the Gram matrices, from the first; 0 for none. */
  readonly gramWindows: number;
  /** Whether Σx is measured beside Σx². */
  readonly moments: boolean;
  onWindow(done: number): void;
  /** Told the wall time of the pass, shared out by what the workers were busy with. */
  onSeconds(phase: 'forward' | 'statistics', seconds: number): void;
}

/** f32 bytes of the Gram matrices of a pass. */
export function gramBytes(groups: readonly MeasuredGroup[]): number {
  return groups.reduce((sum, { size }) => sum + stripElements(gramStrips(size)) * 4, 0);
}

/**
 * f32 bytes of the activations that wait for the Gram matrices of a pass.
 *
 * @param windows that go into the Gram matrices
 * @param most ranges that may be in memory
 */
export function activationBytes(
  passes: BlockPasses,
  pass: BlockPass,
  windows: number,
  workers: number,
  most: number,
): number {
  const ranges = passRanges(passes, pass);
  const tokens = Math.max(...ranges.map((range) => range.tokens));
  const { inFlight } = rangesInMemory(tokens, workers, most);
  return Math.min(inFlight, windows * ranges.length) * tokens * features(pass.groups) * 4;
}

function features(groups: readonly MeasuredGroup[]): number {
  return groups.reduce((sum, { size }) => sum + size, 0);
}

/** What goes through the pass at a time. */
interface Part {
  readonly window: number;
  readonly range: PassRange;
}

/** Collects statistics pass after pass, in memory that it keeps. */
export class StatisticsCollector {
  readonly #pool: WorkerPool;
  readonly #graphs: GraphStore;
  readonly #mostRanges: number;
  readonly #grams = new KeptRegion();
  readonly #activations = new KeptRegion();

  /** @param mostRanges of tokens whose activations for Gram matrices may be in memory at a time */
  constructor(pool: WorkerPool, graphs: GraphStore, mostRanges: number = Number.POSITIVE_INFINITY) {
    this.#pool = pool;
    this.#graphs = graphs;
    this.#mostRanges = mostRanges;
  }

  /**
   * Also writes what the next pass needs into the windows' records. The Gram matrices in the result stay valid
   * until the next call.
   *
   * @throws RunError naming the block and input group whose activations aren't finite
   */
  async collect(options: CollectOptions): Promise<Map<string, GroupStatistics>> {
    const { block, passes, pass, states } = options;
    const { windows, tokens } = states;
    const { counted = windows * tokens } = options;
    const { groups } = pass;
    const gramWindows = groups.length > 0 ? options.gramWindows : 0;
    const started = performance.now();
    const busy = { forward: 0, statistics: 0 };
    const grams = this.#gramAddresses(groups, gramWindows > 0);
    const ranges = passRanges(passes, pass);
    const parts = Array.from({ length: windows }, (_, window) => ranges.map((range) => ({ window, range })));
    const [intoGram, rest] = [parts.slice(0, gramWindows).flat(), parts.slice(gramWindows).flat()];
    const longest = Math.max(...ranges.map((range) => range.tokens));
    const { inFlight, batch } = rangesInMemory(longest, this.#pool.size, this.#mostRanges);
    const shares = shareStrips(groups, batch * longest, this.#pool.size);

    let finished = 0;
    const sums = groups.map(({ name, size }) => ({
      name,
      size,
      /** Without the windows of the Gram matrix, until that is complete. */
      sumOfSquares: new Float64Array(size),
      sum: options.moments ? new Float64Array(size) : undefined,
    }));
    const inOrder = new InOrder<WindowResult['returned']>((returned) => {
      for (const { name, sumOfSquares, sum } of sums) {
        add(sumOfSquares, returned[activationOutputName(name)]);
        if (sum) add(sum, returned[sumOutputName(name)]);
      }
    });
    const forward = async (index: number, part: Part, slot?: ReadonlyMap<string, bigint>) => {
      const task = this.#windowArguments(options, part, slot);
      const { returned, seconds } = await this.#pool.run('forward/window-task', runWindow, task);
      busy.forward += seconds;
      options.onWindow(Math.floor(++finished / ranges.length));
      inOrder.put(index, returned);
    };
    await inBatches({
      windows: intoGram.length,
      batch,
      slots: gramWindows > 0 ? this.#slotAddresses(groups, longest, inFlight) : [],
      signal: this.#pool.signal,
      compute: async (index, slot) => {
        await forward(index, intoGram[index] as Part, slot);
      },
      lanes: shares.length,
      add: async (lane, first, slots) => {
        const lots = (shares[lane] ?? []).map(({ group: { name, size }, strips }) => ({
          address: grams.get(name) ?? 0n,
          size,
          strips,
          parts: slots.map((slot, index) => ({
            address: slot.get(name) ?? 0n,
            tokens: (intoGram[first + index] as Part).range.tokens,
          })),
        }));
        busy.statistics += await this.#pool.run('statistics/gram-task', accumulateStrips, lots);
      },
    });
    // What solves with the Gram matrices may need the memory.
    this.#activations.discard();
    for (const { name, size, sumOfSquares } of sums) {
      const address = grams.get(name);
      if (address !== undefined) sumOfSquares.set(gramDiagonal(address, size));
    }
    await this.#pool.forEach([...rest.entries()], async ([index, part]) => {
      await forward(intoGram.length + index, part);
    });

    const wall = (performance.now() - started) / 1000;
    const total = busy.forward + busy.statistics;
    const share = total > 0 ? busy.forward / total : 1;
    options.onSeconds('forward', wall * share);
    options.onSeconds('statistics', wall * (1 - share));

    return new Map(
      sums.map(({ name, size, sumOfSquares, sum }) => {
        const bad = sumOfSquares.findIndex((value) => !Number.isFinite(value));
        if (bad >= 0) {
          const where = block.prefix.replace(/\.$/, '');
          throw new RunError(`${where}: the ${name} isn't finite, first in feature ${bad}`);
        }
        const inGram = Math.min(counted, gramWindows * tokens);
        const address = grams.get(name);
        const gram = address === undefined ? undefined : { address, size, tokens: inGram };
        return [name, { group: name, size, tokens: counted, sumOfSquares, sum, gram }];
      }),
    );
  }

  dispose(): void {
    this.#grams.dispose();
    this.#activations.dispose();
  }

  #windowArguments(
    { pass, weights, states, moments }: CollectOptions,
    { window, range }: Part,
    slot: ReadonlyMap<string, bigint> | undefined,
  ) {
    const output = slot ? 'transposed activations' : 'sum of squares';
    const key = measuringKey(range, output, moments);
    const graph = this.#graphs.get(key, () => range.graph(output, moments));
    const captures: Record<string, TensorRef> = {};
    const returns: Record<string, number> = {};
    for (const { name, size } of pass.groups) {
      const address = slot?.get(name);
      if (address === undefined) returns[activationOutputName(name)] = size;
      else captures[activationOutputName(name)] = { address, shape: [size, range.tokens] };
      if (moments) returns[sumOutputName(name)] = size;
    }
    const { path } = states;
    const { reads, writes } = range;
    return { graph, weights, path, record: states.offset(window), reads, writes, captures, returns };
  }

  #gramAddresses(groups: readonly MeasuredGroup[], wanted: boolean): Map<string, bigint> {
    if (!wanted) return new Map();
    const address = this.#grams.takeCleared(gramBytes(groups));
    return placesFrom(
      address,
      groups.map(({ name, size }) => [name, stripElements(gramStrips(size))]),
    );
  }

  #slotAddresses(groups: readonly MeasuredGroup[], tokens: number, count: number): Map<string, bigint>[] {
    return this.#activations.takeSlots(
      groups.map(({ name, size }) => [name, size * tokens]),
      count,
    );
  }
}

/** Σx² of the windows that the Gram matrix sums over. */
function gramDiagonal(address: bigint, size: number): Float64Array {
  const diagonal = new Float64Array(size);
  for (const { first, width, rows, offset } of gramStrips(size)) {
    const strip = float32View(address + BigInt(offset * 4), rows * width);
    for (let j = 0; j < width; j++) diagonal[first + j] = strip[j * width + j] as number;
  }
  return diagonal;
}

function add(total: Float64Array, values: Float32Array | undefined): void {
  values?.forEach((value, j) => {
    total[j] = (total[j] as number) + value;
  });
}
