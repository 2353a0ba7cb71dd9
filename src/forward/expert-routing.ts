/**
 * The tokens of a block's experts: gathered from the records of all windows into windows of their own, each as if it were
 * the input of a block, and what the experts make of them back to where they came from.
 * @module
 */
import type { BlockPasses, CarriedValue } from '../graph/block-passes.js';
import type { BlockDescription, Experts } from '../model/description.js';
import { partsOf } from '../runtime/parts.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import { gatherRows, type RowsArguments, readRouting, scatterRows } from './expert-task.js';
import { HiddenStates, type StateRecords, type WindowRecords } from './hidden-states.js';

/** Tokens of an expert's window: enough for GEMM's speed, and few beside what an expert gets. */
const WINDOW_TOKENS = { least: 16, most: 256 };

/** A token of a window. */
interface TokenPlace {
  readonly window: number;
  readonly token: number;
}

/** Columns of a value [tokens, width] in a file, and the features that they are in an expert's windows. */
export interface RowSource {
  readonly path: string;
  /** Bytes before the value of a window. */
  offset(window: number): number;
  readonly width: number;
  readonly column: number;
  readonly first: number;
  readonly count: number;
}

/** Tokens of a window of an expert, when so many tokens go through the block. */
export function expertWindowTokens({ perToken, units }: Experts, tokens: number): number {
  const each = (tokens * perToken) / units.length;
  const power = 2 ** Math.floor(Math.log2(Math.max(1, each / 2)));
  return Math.min(WINDOW_TOKENS.most, Math.max(WINDOW_TOKENS.least, power));
}

export class ExpertRouting {
  /** Of each of an expert's windows. */
  readonly windowTokens: number;
  readonly #pool: WorkerPool;
  readonly #experts: Experts;
  readonly #states: WindowRecords;
  readonly #routed: NonNullable<BlockPasses['routed']>;
  readonly #places: readonly (readonly TokenPlace[])[];

  private constructor(
    pool: WorkerPool,
    experts: Experts,
    states: WindowRecords,
    routed: NonNullable<BlockPasses['routed']>,
    places: readonly (readonly TokenPlace[])[],
  ) {
    this.#pool = pool;
    this.#experts = experts;
    this.#states = states;
    this.#routed = routed;
    this.#places = places;
    this.windowTokens = expertWindowTokens(experts, states.windows * states.tokens);
  }

  /** @param states after the last of the block's passes */
  static async read(pool: WorkerPool, planned: BlockPasses, states: WindowRecords): Promise<ExpertRouting> {
    const { block, routed } = planned;
    const { experts } = block;
    if (!experts || !routed) throw new Error(`${block.prefix} has no experts`);
    const count = experts.units.length;
    const places: TokenPlace[][] = experts.units.map(() => []);
    const tasks = Array.from({ length: states.windows }, (_, window) => ({
      path: states.path,
      offset: states.offset(window) + routed.weights.offset,
      tokens: states.tokens,
      experts: count,
    }));
    const chosen = await pool.map('forward/expert-task', readRouting, tasks);
    for (const [window, list] of chosen.entries()) {
      for (const index of list) places[index % count]?.push({ window, token: Math.floor(index / count) });
    }
    return new ExpertRouting(pool, experts, states, routed, places);
  }

  /** Tokens that go to an expert. */
  count(expert: number): number {
    return this.#places[expert]?.length ?? 0;
  }

  /** What the expert reads, and its weight as the last feature. */
  inputs(expert: number): RowSource[] {
    const { input, weights } = this.#routed;
    const features = this.#unit(expert).hiddenSize - 1;
    const { path, offset } = this.#states;
    const place = ({ offset: within }: CarriedValue) => ({
      path,
      offset: (window: number) => offset.call(this.#states, window) + within,
    });
    return [
      { ...place(input), width: features, column: 0, first: 0, count: features },
      { ...place(weights), width: this.#experts.units.length, column: expert, first: features, count: 1 },
    ];
  }

  /** What the block gives, to which the expert adds. */
  outputs(expert: number, states: StateRecords = this.#states): RowSource[] {
    const features = this.#unit(expert).hiddenSize - 1;
    const { path } = states;
    const offset = (window: number) => states.offset(window);
    return [{ path, offset, width: features, column: 0, first: 0, count: features }];
  }

  /**
   * Rows of an expert's tokens in the order of the windows; the last window is filled up with rows of zeros, and so are
   * features that nothing is read for. No windows where it has no tokens.
   *
   * @param path of the file to keep them in; replaced, as a file of the same name that workers may have open
   * @param recordBytes of a window
   */
  async gather(
    expert: number,
    sources: readonly RowSource[],
    path: string,
    recordBytes: number,
  ): Promise<HiddenStates> {
    const { hiddenSize } = this.#unit(expert);
    const windows = Math.ceil(this.count(expert) / this.windowTokens);
    const gathered = new HiddenStates(path, windows, this.windowTokens, hiddenSize, recordBytes);
    await this.#pool.map('forward/expert-task', gatherRows, this.#rows(expert, sources, gathered));
    return gathered;
  }

  /** Adds rows at the start of the records of an expert's windows to where they belong. */
  async scatter(expert: number, gathered: HiddenStates, targets: readonly RowSource[]): Promise<void> {
    await this.#pool.map('forward/expert-task', scatterRows, this.#rows(expert, targets, gathered));
  }

  #unit(expert: number): BlockDescription {
    const unit = this.#experts.units[expert];
    if (!unit) throw new Error(`there is no expert ${expert}`);
    return unit;
  }

  /** The rows of an expert's tokens, for each of its windows. */
  #rows(expert: number, sources: readonly RowSource[], gathered: HiddenStates): RowsArguments[] {
    const places = this.#places[expert] ?? [];
    return partsOf(places.length, this.windowTokens).map(({ first, count }, window) => ({
      parts: sources.map(({ path, offset, width, column, first: feature, count: features }) => ({
        path,
        offsets: Float64Array.from(
          places.slice(first, first + count),
          (place) => offset(place.window) + (place.token * width + column) * 4,
        ),
        first: feature,
        count: features,
      })),
      path: gathered.path,
      offset: gathered.offset(window),
      features: gathered.hiddenSize,
    }));
  }
}
