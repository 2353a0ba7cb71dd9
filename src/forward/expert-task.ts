/**
 * Worker tasks: which tokens of a window go to which experts, and their rows to and from an expert's windows.
 * @module
 */
import { scratch } from '../runtime/scratch.js';
import { bytesOf, ownFile, readExactly, writeExactly } from '../runtime/worker-files.js';

export interface RoutingArguments {
  readonly path: string;
  /** Of the weights [tokens, experts], f32. */
  readonly offset: number;
  readonly tokens: number;
  readonly experts: number;
}

/** Weights of experts that aren't 0. */
export interface Routed {
  /** token · experts + expert, ascending. */
  readonly places: Int32Array;
  readonly weights: Float32Array;
}

export function readRouting({ path, offset, tokens, experts }: RoutingArguments): Routed {
  const all = scratch('routing', tokens * experts);
  readExactly(path, offset, bytesOf(all));
  const chosen: number[] = [];
  for (let i = 0; i < all.length; i++) if (all[i] !== 0) chosen.push(i);
  const places = Int32Array.from(chosen);
  return { places, weights: Float32Array.from(places, (place) => all[place] as number) };
}

/** Rows of a file, as parts of the rows of a window. */
export interface RowPart {
  readonly path: string;
  /** Bytes before each row. */
  readonly offsets: Float64Array;
  /** The first feature in the window's rows, and how many. */
  readonly first: number;
  readonly count: number;
}

export interface RowsArguments {
  readonly parts: readonly RowPart[];
  /** Of the window, [rows, features]. */
  readonly path: string;
  readonly offset: number;
  readonly features: number;
}

export interface GatherArguments extends RowsArguments {
  /** What the last feature of each row is, where no part has it; 0 when left out. */
  readonly last: Float32Array | undefined;
}

/** Gathers rows into a window; features that no part has are 0. */
export function gatherRows({ parts, path, offset, features, last }: GatherArguments): void {
  const rows = Math.max(...parts.map(({ offsets }) => offsets.length));
  const window = scratch('gathered', rows * features).fill(0);
  for (const part of parts) {
    const { read } = ownFile(part.path);
    for (const [row, place] of part.offsets.entries()) {
      const start = row * features + part.first;
      read(place, bytesOf(window.subarray(start, start + part.count)));
    }
  }
  last?.forEach((value, row) => {
    window[(row + 1) * features - 1] = value;
  });
  writeExactly(path, offset, bytesOf(window));
}

/** Adds rows of a window to where they came from. */
export function scatterRows({ parts, path, offset, features }: RowsArguments): void {
  const rows = Math.max(...parts.map(({ offsets }) => offsets.length));
  const window = scratch('scattered', rows * features);
  readExactly(path, offset, bytesOf(window));
  for (const part of parts) {
    const { read, write } = ownFile(part.path);
    const sum = scratch('sum', part.count);
    for (const [row, place] of part.offsets.entries()) {
      read(place, bytesOf(sum));
      const start = row * features + part.first;
      for (let i = 0; i < part.count; i++) sum[i] = (sum[i] as number) + (window[start + i] as number);
      write(place, bytesOf(sum));
    }
  }
}
