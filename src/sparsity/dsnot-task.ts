/**
 * Worker task: rows of a linear whose pruned weights are swapped for others.
 * @module
 */
import { float32View } from '../system/native-memory.js';

/** How swaps are chosen. */
export interface SwapRule {
  /** Most swaps of a row. */
  readonly cycles: number;
  /** A row whose |error| is at most this is done. */
  readonly threshold: number;
  /** Whether an error may not change its sign. */
  readonly sameSign: boolean;
  /** A swap stays within groups of so many consecutive inputs; the number of columns for the whole row. */
  readonly group: number;
}

export interface SwapArguments extends SwapRule {
  readonly rows: number;
  readonly columns: number;
  /** [rows, columns] f32; what is 0 is pruned. Gets the dense weights under the new mask. */
  readonly weights: bigint;
  /** The dense weights, [rows, columns] f32. */
  readonly dense: bigint;
  /** What a weight of 1 adds to the output by expectation, [columns]. */
  readonly expected: Float64Array;
  /** By which it is divided where a weight is to be regrown, [columns]. */
  readonly spread: Float64Array;
  /** ‖X_j‖₂, [columns] */
  readonly norms: Float64Array;
}

/** Pruned from the start, kept from the start, regrown, pruned by a swap. What was swapped isn't swapped again. */
const PRUNED = 0;
const KEPT = 1;
const REGROWN = 2;
const DROPPED = 3;

/** Refines the rows' masks in place, each row for itself; `refineMask` tells the rule. */
export function swapWeights(args: SwapArguments): void {
  const { rows, columns, expected } = args;
  const room = new RowRoom(args);
  const [all, allDense] = [args.weights, args.dense].map((place) => float32View(place, rows * columns)) as [
    Float32Array,
    Float32Array,
  ];
  for (let row = 0; row < rows; row++) {
    const weights = all.subarray(row * columns, (row + 1) * columns);
    const dense = allDense.subarray(row * columns, (row + 1) * columns);
    let error = 0;
    for (let j = 0; j < columns; j++) {
      const w = dense[j] as number;
      const change = w * (expected[j] as number);
      room.state[j] = weights[j] === 0 ? PRUNED : KEPT;
      room.dense[j] = w;
      room.changes[j] = change;
      if (weights[j] === 0) error += change;
    }
    swapInRow(args, room, error);
    for (let j = 0; j < columns; j++) {
      const state = room.state[j];
      weights[j] = state === KEPT || state === REGROWN ? (room.dense[j] as number) : 0;
    }
  }
}

/** What is known of a row. */
class RowRoom {
  readonly state: Uint8Array;
  readonly dense: Float32Array;
  /** What pruning the weight adds to the row's error, and regrowing it takes from it. */
  readonly changes: Float64Array;
  readonly gains: Ranking;
  readonly scores: Ranking;

  constructor({ columns, cycles, group }: SwapArguments) {
    this.state = new Uint8Array(columns);
    this.dense = new Float32Array(columns);
    this.changes = new Float64Array(columns);
    // Within groups some are passed over.
    this.gains = new Ranking(columns, group < columns ? columns : cycles, 'largest first');
    this.scores = new Ranking(columns, cycles, 'smallest first');
  }
}

/** @param start what the pruned weights would add to the row's output by expectation */
function swapInRow(args: SwapArguments, room: RowRoom, start: number): void {
  const { cycles, threshold, sameSign, group, columns } = args;
  const { state, changes } = room;
  const lists = new Map<number, SwapLists>();
  let error = start;
  for (let cycle = 0; cycle < cycles && Math.abs(error) > threshold; cycle++) {
    const sign = Math.sign(error);
    let list = lists.get(sign);
    if (!list) {
      list = group < columns ? new GroupSwaps(args, room, sign) : new RowSwaps(args, room, sign);
      lists.set(sign, list);
    }
    const swap = list.next();
    if (!swap) return;
    const after = error - (changes[swap.regrown] as number) + (changes[swap.dropped] as number);
    if (Math.abs(after) >= Math.abs(error) || (sameSign && after * sign < 0)) return;
    state[swap.regrown] = REGROWN;
    state[swap.dropped] = DROPPED;
    error = after;
  }
}

interface Swap {
  readonly regrown: number;
  readonly dropped: number;
}

/** Swaps that move an error of one sign towards 0, the best first. */
interface SwapLists {
  next(): Swap | undefined;
}

/** The best to regrow of the row with the best to drop of it. */
class RowSwaps implements SwapLists {
  readonly #regrown: Uint32Array;
  readonly #dropped: Uint32Array;
  #at = 0;

  constructor(args: SwapArguments, room: RowRoom, sign: number) {
    this.#regrown = regrowable(args, room, sign);
    this.#dropped = droppable(args, room, sign);
  }

  next(): Swap | undefined {
    const [regrown, dropped] = [this.#regrown[this.#at], this.#dropped[this.#at]];
    this.#at++;
    return regrown === undefined || dropped === undefined ? undefined : { regrown, dropped };
  }
}

/** The best to regrow of the row with the best to drop of its group; where a group has none, the next best. */
class GroupSwaps implements SwapLists {
  readonly #regrown: Uint32Array;
  readonly #args: SwapArguments;
  readonly #room: RowRoom;
  readonly #sign: number;
  #at = 0;

  constructor(args: SwapArguments, room: RowRoom, sign: number) {
    this.#regrown = regrowable(args, room, sign);
    this.#args = args;
    this.#room = room;
    this.#sign = sign;
  }

  next(): Swap | undefined {
    while (this.#at < this.#regrown.length) {
      const regrown = this.#regrown[this.#at++] as number;
      const dropped = this.#bestOfGroup(regrown);
      if (dropped >= 0) return { regrown, dropped };
    }
    return undefined;
  }

  #bestOfGroup(regrown: number): number {
    const { group, norms } = this.#args;
    const { state, changes, dense } = this.#room;
    const first = regrown - (regrown % group);
    let best = -1;
    let least = Number.POSITIVE_INFINITY;
    for (let j = first; j < first + group; j++) {
      if (state[j] !== KEPT || !((changes[j] as number) * this.#sign < 0)) continue;
      const score = Math.abs(dense[j] as number) * (norms[j] as number);
      if (score < least) [best, least] = [j, score];
    }
    return best;
  }
}

/** Pruned weights that take from an error of that sign, first what takes most for its spread. */
function regrowable({ columns, spread }: SwapArguments, room: RowRoom, sign: number): Uint32Array {
  const { state, changes, gains } = room;
  for (let j = 0; j < columns; j++) {
    const gain = (changes[j] as number) * sign;
    if (state[j] === PRUNED && gain > 0) gains.add(j, gain / (spread[j] as number));
  }
  return gains.take();
}

/** Kept weights without which an error of that sign is smaller, first the smallest |w|·‖X‖. */
function droppable({ columns, norms }: SwapArguments, room: RowRoom, sign: number): Uint32Array {
  const { state, changes, dense, scores } = room;
  for (let j = 0; j < columns; j++) {
    if (state[j] !== KEPT || !((changes[j] as number) * sign < 0)) continue;
    scores.add(j, Math.abs(dense[j] as number) * (norms[j] as number));
  }
  return scores.take();
}

/** Above every index; 31 bits of a number and 21 of an index are a whole number that a double holds. */
const INDICES = 2 ** 21;
/** Bits of the f32 +Infinity. */
const INFINITY_BITS = 0x7f800000;
/** For each that is wanted, so many are gathered before they are sorted. */
const GATHERED = 4;

/**
 * The first few of many indices in the order of numbers that aren't negative, of equal f32 the lower index first. A number's
 * bits and its index are sorted as one double, for which no function has to be called.
 */
class Ranking {
  readonly #wanted: number;
  readonly #largestFirst: boolean;
  readonly #number = new Float32Array(1);
  readonly #bits = new Uint32Array(this.#number.buffer);
  readonly #keys: Float64Array;
  #count = 0;
  /** What comes no earlier isn't wanted. */
  #end = Number.POSITIVE_INFINITY;

  constructor(columns: number, wanted: number, order: 'smallest first' | 'largest first') {
    if (columns > INDICES) throw new Error(`${columns} columns, ${INDICES} at most`);
    this.#wanted = Math.min(wanted, columns);
    this.#largestFirst = order === 'largest first';
    this.#keys = new Float64Array(Math.min(GATHERED * this.#wanted, columns) + 1);
  }

  add(index: number, value: number): void {
    this.#number[0] = value;
    const bits = this.#bits[0] as number;
    const key = (this.#largestFirst ? INFINITY_BITS - bits : bits) * INDICES + index;
    if (key >= this.#end) return;
    this.#keys[this.#count++] = key;
    if (this.#count === this.#keys.length) this.#sort();
  }

  /** The indices in their order; the ranking is empty then. */
  take(): Uint32Array {
    this.#sort();
    const indices = new Uint32Array(this.#count);
    for (let i = 0; i < indices.length; i++) indices[i] = (this.#keys[i] as number) % INDICES;
    this.#count = 0;
    this.#end = Number.POSITIVE_INFINITY;
    return indices;
  }

  #sort(): void {
    this.#keys.subarray(0, this.#count).sort();
    if (this.#count < this.#wanted) return;
    this.#count = this.#wanted;
    this.#end = this.#keys[this.#wanted - 1] ?? 0;
  }
}
