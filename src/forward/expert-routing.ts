/**
 * The tokens of a block's experts: gathered from the records of all windows into windows of their own, each as if it were
 * the input of a block, and what the experts make of them back to where they came from.
 * @module
 */
import type { BlockPasses } from '../graph/block-passes.js';
import type { BlockDescription, Experts } from '../model/description.js';
import { partsOf } from '../runtime/parts.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import { gatherRows, type RowsArguments, readRouting, scatterRows } from './expert-task.js';
import { HiddenStates, type StateRecords, type WindowRecords } from './hidden-states.js';

/** Tokens of an expert's window: enough for GEMM's speed, and few beside what an expert gets. */
const WINDOW_TOKENS = { least: 16, most: 256 };

/** The tokens that go to an expert. */
interface ExpertTokens {
  /** window · tokens of a window + token, ascending. */
  readonly places: Int32Array;
  /** Of what the expert gives for each. */
  readonly weights: Float32Array;
}

/** Of each place and weight, as it is read and as it is sorted; and of each token of the expert at work, maybe all. */
const TOKEN_BYTES = { routed: 2 * (4 + 4), gathered: 4 + 4 + 8 };

/** What is known of where the tokens go. @param tokens of all windows */
export function routingBytes({ perToken }: Experts, tokens: number): number {
  return tokens * (perToken * TOKEN_BYTES.routed + TOKEN_BYTES.gathered);
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

/** Tokens that are gathered for an expert. */
interface GatheredTokens {
  readonly expert: number;
  readonly places: Int32Array;
  readonly sources: readonly RowSource[];
  /** What the last feature of each is, where no source has it; 0 when left out. */
  readonly last?: Float32Array;
}

/** Tokens of a window of an expert, when so many tokens go through the block. */
export function expertWindowTokens({ perToken, units }: Experts, tokens: number): number {
  const each = (tokens * perToken) / units.length;
  const power = 2 ** Math.floor(Math.log2(Math.max(1, each / 2)));
  return Math.min(WINDOW_TOKENS.most, Math.max(WINDOW_TOKENS.least, power));
}

/** Bytes of a file of gathered tokens, at most: when all tokens of the windows go to one expert. @param tokens of all windows */
export function gatheredBytes(windowTokens: number, recordBytes: number, tokens: number): number {
  return Math.ceil(tokens / windowTokens) * recordBytes;
}

export class ExpertRouting {
  /** Of each of an expert's windows. */
  readonly windowTokens: number;
  readonly #pool: WorkerPool;
  readonly #experts: Experts;
  readonly #states: WindowRecords;
  readonly #routed: NonNullable<BlockPasses['routed']>;
  readonly #tokens: readonly ExpertTokens[];

  private constructor(
    pool: WorkerPool,
    experts: Experts,
    states: WindowRecords,
    routed: NonNullable<BlockPasses['routed']>,
    tokens: readonly ExpertTokens[],
  ) {
    this.#pool = pool;
    this.#experts = experts;
    this.#states = states;
    this.#routed = routed;
    this.#tokens = tokens;
    this.windowTokens = expertWindowTokens(experts, states.windows * states.tokens);
  }

  /** @param states after the last of the block's passes */
  static async read(pool: WorkerPool, planned: BlockPasses, states: WindowRecords): Promise<ExpertRouting> {
    const { block, routed } = planned;
    const { experts } = block;
    if (!experts || !routed) throw new Error(`${block.prefix} has no experts`);
    const count = experts.units.length;
    const tasks = Array.from({ length: states.windows }, (_, window) => ({
      path: states.path,
      offset: states.offset(window) + routed.weights.offset,
      tokens: states.tokens,
      experts: count,
    }));
    const chosen = await pool.map('forward/expert-task', readRouting, tasks);
    const counts = new Int32Array(count);
    for (const { places } of chosen) {
      for (const place of places) counts[place % count] = (counts[place % count] as number) + 1;
    }
    const all = [...counts].map(
      (size): ExpertTokens => ({ places: new Int32Array(size), weights: new Float32Array(size) }),
    );
    const filled = new Int32Array(count);
    for (const [window, { places, weights }] of chosen.entries()) {
      for (const [index, place] of places.entries()) {
        const expert = place % count;
        const at = filled[expert] as number;
        filled[expert] = at + 1;
        const { places: own, weights: ofOwn } = all[expert] as ExpertTokens;
        own[at] = window * states.tokens + Math.floor(place / count);
        ofOwn[at] = weights[index] as number;
      }
    }
    return new ExpertRouting(pool, experts, states, routed, all);
  }

  /** Tokens that go to an expert. */
  count(expert: number): number {
    return this.#of(expert).places.length;
  }

  /** What the block gives, to which the expert adds. */
  outputs(expert: number, states: StateRecords = this.#states): RowSource[] {
    const features = this.#unit(expert).hiddenSize - 1;
    const { path } = states;
    const offset = (window: number) => states.offset(window);
    return [{ path, offset, width: features, column: 0, first: 0, count: features }];
  }

  /**
   * What the expert reads of its tokens, with its weight as the last feature, in the order of the windows; the last window is
   * filled up with rows of zeros. No windows where it has no tokens.
   *
   * @param path of the file to keep them in; replaced, as a file of the same name that workers may have open
   * @param recordBytes of a window
   */
  async gather(expert: number, path: string, recordBytes: number): Promise<HiddenStates> {
    const { places, weights } = this.#of(expert);
    const sources = [this.#input(expert)];
    return await this.#gather({ expert, places, sources, last: weights }, path, recordBytes);
  }

  /** What the expert reads of all tokens of the windows, each with the weight 1. @param path as for `gather` */
  async gatherAll(expert: number, path: string, recordBytes: number): Promise<HiddenStates> {
    const count = this.#states.windows * this.#states.tokens;
    const places = Int32Array.from({ length: count }, (_, place) => place);
    const last = new Float32Array(count).fill(1);
    const sources = [this.#input(expert)];
    return await this.#gather({ expert, places, sources, last }, path, recordBytes);
  }

  /** Rows of an expert's tokens that lie elsewhere; features that nothing is read for are 0. @param path as for `gather` */
  async gatherFrom(
    expert: number,
    sources: readonly RowSource[],
    path: string,
    recordBytes: number,
  ): Promise<HiddenStates> {
    return await this.#gather({ expert, places: this.#of(expert).places, sources }, path, recordBytes);
  }

  /** Adds rows at the start of the records of an expert's windows to where they belong. */
  async scatter(expert: number, gathered: HiddenStates, targets: readonly RowSource[]): Promise<void> {
    const rows = this.#rows(this.#of(expert).places, targets, gathered);
    await this.#pool.map('forward/expert-task', scatterRows, rows);
  }

  async #gather(
    { expert, places, sources, last }: GatheredTokens,
    path: string,
    recordBytes: number,
  ): Promise<HiddenStates> {
    const { hiddenSize } = this.#unit(expert);
    const windows = Math.ceil(places.length / this.windowTokens);
    const gathered = new HiddenStates(path, windows, this.windowTokens, hiddenSize, recordBytes);
    const rows = this.#rows(places, sources, gathered).map((window, index) => {
      const first = index * this.windowTokens;
      return { ...window, last: last?.slice(first, first + this.windowTokens) };
    });
    await this.#pool.map('forward/expert-task', gatherRows, rows);
    return gathered;
  }

  /** What the expert reads. */
  #input(expert: number): RowSource {
    const states = this.#states;
    const within = this.#routed.input.offset;
    const features = this.#unit(expert).hiddenSize - 1;
    const offset = (window: number) => states.offset(window) + within;
    return { path: states.path, offset, width: features, column: 0, first: 0, count: features };
  }

  #of(expert: number): ExpertTokens {
    const tokens = this.#tokens[expert];
    if (!tokens) throw new Error(`there is no expert ${expert}`);
    return tokens;
  }

  #unit(expert: number): BlockDescription {
    const unit = this.#experts.units[expert];
    if (!unit) throw new Error(`there is no expert ${expert}`);
    return unit;
  }

  /** The rows of tokens, for each of the windows that they are gathered in. */
  #rows(places: Int32Array, sources: readonly RowSource[], gathered: HiddenStates): RowsArguments[] {
    const { tokens } = this.#states;
    return partsOf(places.length, this.windowTokens).map(({ first, count }, window) => ({
      parts: sources.map(({ path, offset, width, column, first: feature, count: features }) => ({
        path,
        offsets: Float64Array.from(
          places.subarray(first, first + count),
          (place) => offset(Math.floor(place / tokens)) + ((place % tokens) * width + column) * 4,
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
