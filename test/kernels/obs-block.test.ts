import { describe, expect, it } from 'vitest';
import { normals, uniform } from '../support/random.js';
import { bitsOf, Workspace } from './workspace.js';

const workspace = new Workspace();
const { kernels } = workspace;

type Choice =
  | { readonly mask: Uint8Array<ArrayBuffer> }
  | { readonly keep: number; readonly of: number; readonly marks?: Uint8Array<ArrayBuffer> };

interface Block {
  /** [columns, lanes] */
  readonly weights: Float32Array<ArrayBuffer>;
  /** Upper triangular [columns, columns]; NaN below the diagonal, which nothing may read. */
  readonly factor: Float32Array<ArrayBuffer>;
  readonly columns: number;
  readonly lanes: number;
}

interface Result {
  readonly weights: Float32Array;
  readonly errors: Float32Array;
  readonly mask: Uint8Array;
  readonly losses: Float64Array;
}

function block(columns: number, lanes: number, seed = columns + lanes): Block {
  const weights = normals(columns * lanes, seed) as Float32Array<ArrayBuffer>;
  const factor = normals(columns * columns, seed + 1) as Float32Array<ArrayBuffer>;
  const next = uniform(seed + 2);
  for (let i = 0; i < columns; i++) {
    factor.fill(Number.NaN, i * columns, i * columns + i);
    factor[i * columns + i] = 0.5 + next();
    for (let j = i + 1; j < columns; j++) {
      factor[i * columns + j] = (factor[i * columns + j] as number) * 0.3 * 0.8 ** (j - i);
    }
  }
  return { weights, factor, columns, lanes };
}

function randomMask({ columns, lanes }: Block, density = 0.5): Uint8Array<ArrayBuffer> {
  const next = uniform(columns * lanes);
  return Uint8Array.from({ length: columns * lanes }, () => (next() < density ? 1 : 0));
}

/** Runs the kernel with 1 as every lane's loss so far. */
function run({ weights, factor, columns, lanes }: Block, choice: Choice): Result {
  const slab = workspace.put(weights);
  const u = workspace.put(factor);
  const errors = workspace.out(weights.byteLength);
  const losses = workspace.put(new Float64Array(lanes).fill(1));
  const mask = workspace.put(
    'mask' in choice ? choice.mask : (choice.marks ?? new Uint8Array(weights.length)),
  );
  if ('mask' in choice) kernels.obsBlockMasked(slab, u, mask, errors, losses, columns, lanes);
  else kernels.obsBlockNofM(slab, u, errors, losses, mask, columns, lanes, choice.keep, choice.of);
  const result = {
    weights: kernels.f32(slab, weights.length).slice(),
    errors: kernels.f32(errors, weights.length).slice(),
    mask: kernels.u8(mask, weights.length).slice(),
    losses: kernels.f64(losses, lanes).slice(),
  };
  workspace.finish();
  return result;
}

interface LaneReference {
  readonly weights: Float64Array;
  readonly errors: Float64Array;
  readonly mask: Uint8Array;
  readonly loss: number;
  /** How far apart, relatively, the last score pruned and the first score kept of a group were at the closest. */
  readonly margin: number;
}

/** Algorithm 1 of Frantar & Alistarh 2023 for one lane, column after column, in f64. */
function reference({ weights, factor, columns, lanes }: Block, choice: Choice, lane: number): LaneReference {
  const w = Float64Array.from({ length: columns }, (_, j) => weights[j * lanes + lane] as number);
  const u = (i: number, j: number) => factor[i * columns + j] as number;
  const errors = new Float64Array(columns);
  const mask = new Uint8Array(columns);
  let loss = 0;
  let margin = Number.POSITIVE_INFINITY;
  for (let j = 0; j < columns; j++) {
    if ('mask' in choice) mask[j] = choice.mask[j * lanes + lane] as number;
    else if (j % choice.of === 0) {
      const marks = choice.marks;
      const score = (k: number) => (marks?.[k * lanes + lane] ? -1 : ((w[k] as number) / u(k, k)) ** 2);
      const order = Array.from({ length: choice.of }, (_, k) => j + k).sort(
        (a, b) => score(a) - score(b) || a - b,
      );
      const pruned = choice.of - choice.keep;
      for (const [place, k] of order.entries()) mask[k] = place < pruned || score(k) < 0 ? 1 : 0;
      const [last, first] = [score(order[pruned - 1] as number), score(order[pruned] as number)];
      if (first > 0) margin = Math.min(margin, (first - last) / first);
    }
    if (!mask[j]) continue;
    const error = (w[j] as number) / u(j, j);
    errors[j] = error;
    loss += error ** 2 / 2;
    for (let k = j + 1; k < columns; k++) w[k] = (w[k] as number) - error * u(j, k);
    w[j] = 0;
  }
  return { weights: w, errors, mask, loss, margin };
}

/** Compares with the reference wherever its choice wasn't too close to call; returns how many lanes that were. */
function compare(given: Block, choice: Choice, result: Result): number {
  const { columns, lanes } = given;
  let compared = 0;
  const wrong: object[] = [];
  for (let lane = 0; lane < lanes; lane++) {
    const expected = reference(given, choice, lane);
    if (expected.margin < 1e-4) continue;
    compared++;
    for (let j = 0; j < columns; j++) {
      const at = j * lanes + lane;
      const [weight, error] = [result.weights[at] as number, result.errors[at] as number];
      const masked = expected.mask[j] === 1;
      const exact = masked ? Object.is(weight, 0) : error === 0;
      const right =
        result.mask[at] === expected.mask[j] &&
        exact &&
        isClose(weight, expected.weights[j] as number) &&
        isClose(error, expected.errors[j] as number);
      if (!right)
        wrong.push({ lane, j, masked, weight, error, expected: [expected.weights[j], expected.errors[j]] });
    }
    const loss = (result.losses[lane] as number) - 1;
    if (!isClose(loss, expected.loss)) wrong.push({ lane, loss, expected: expected.loss });
  }
  expect(wrong.slice(0, 3)).toEqual([]);
  return compared;
}

function isClose(got: number, expected: number): boolean {
  // Near zero the size of the numbers subtracted counts, and that is about 1.
  return Math.abs(got - expected) <= 1e-4 * Math.max(Math.abs(expected), 0.1);
}

const widths = [1, 2, 3, 5, 15, 16, 17, 32, 37];

describe('obsBlockMasked', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8, 31, 64, 128])('agrees with algorithm 1 in f64, %i columns', (columns) => {
    for (const lanes of widths) {
      const given = block(columns, lanes);
      for (const density of [0, 0.5, 1]) {
        const choice = { mask: randomMask(given, density) };
        expect(compare(given, choice, run(given, choice))).toBe(lanes);
      }
    }
  });

  it('leaves weights as they are, bit for bit, when nothing is masked', () => {
    const given = block(33, 21);
    const { weights, losses } = run(given, { mask: new Uint8Array(33 * 21) });
    expect(weights).toEqual(given.weights);
    expect(losses).toEqual(new Float64Array(21).fill(1));
  });

  it('stores +0.0 for masked −0', () => {
    const given = block(5, 3);
    given.weights.fill(-0);
    const { weights, errors } = run(given, { mask: new Uint8Array(15).fill(1) });
    expect([...weights].every((w) => Object.is(w, 0))).toBe(true);
    expect([...errors].every((e) => e === 0)).toBe(true);
  });
});

const patterns: [number, number, number][] = [
  [2, 4, 128],
  [1, 4, 32],
  [3, 4, 20],
  [1, 2, 30],
  [1, 3, 33],
  [2, 3, 15],
  [2, 5, 40],
  [3, 6, 18],
  [4, 7, 35],
  [4, 8, 128],
  [1, 8, 64],
  [5, 9, 27],
  [6, 16, 48],
  [30, 70, 140],
];

describe('obsBlockNofM', () => {
  it.each(patterns)('%i:%i agrees with algorithm 1 in f64, %i columns', (keep, of, columns) => {
    let [compared, all] = [0, 0];
    for (const lanes of widths) {
      const given = block(columns, lanes);
      const result = run(given, { keep, of });
      for (let lane = 0; lane < lanes; lane++) {
        for (let start = 0; start < columns; start += of) {
          let pruned = 0;
          for (let j = start; j < start + of; j++) pruned += result.mask[j * lanes + lane] as number;
          expect(pruned).toBe(of - keep);
        }
      }
      compared += compare(given, { keep, of }, result);
      all += lanes;
    }
    expect(compared).toBeGreaterThan(0.9 * all);
  });

  it.each(patterns)('%i:%i counts what is marked, which goes in any case', (keep, of, columns) => {
    const given = block(columns, 37);
    const choice = { keep, of, marks: randomMask(given, 0.4) };
    expect(compare(given, choice, run(given, choice))).toBeGreaterThan(25);
  });

  it('prunes the first of equal scores', () => {
    const given = block(12, 19);
    given.weights.fill(1);
    given.factor.fill(0);
    for (let i = 0; i < 12; i++) given.factor[i * 13] = 1;
    const { mask, weights } = run(given, { keep: 2, of: 6 });
    expect([...mask]).toEqual(
      Array.from({ length: 12 * 19 }, (_, i) => (Math.floor(i / 19) % 6 < 4 ? 1 : 0)),
    );
    expect([...weights]).toEqual([...mask].map((masked) => 1 - masked));
  });

  it.each(patterns)('%i:%i is what the masked update does with the mask it chose', (keep, of, columns) => {
    const given = block(columns, 37);
    const chosen = run(given, { keep, of });
    const masked = run(given, { mask: Uint8Array.from(chosen.mask) });
    expect(masked.losses).toEqual(chosen.losses);
    // Panels as wide as a group add up in the same column order.
    expect(masked.weights).toEqual(chosen.weights);
    expect(masked.errors).toEqual(chosen.errors);
  });
});

/** The same lanes in another order, or only some of them. */
function pick<T extends Float32Array | Uint8Array>(data: T, lanes: number, picked: readonly number[]): T {
  const columns = data.length / lanes;
  const result = data.slice(0, columns * picked.length) as T;
  for (let j = 0; j < columns; j++) {
    for (const [to, from] of picked.entries())
      result[j * picked.length + to] = data[j * lanes + from] as number;
  }
  return result;
}

describe.each<{ name: string; columns: number; nofm?: { keep: number; of: number } }>([
  { name: 'a given mask', columns: 77 },
  { name: '2:4', columns: 76, nofm: { keep: 2, of: 4 } },
  { name: '4:7', columns: 77, nofm: { keep: 4, of: 7 } },
])('a lane with $name', ({ columns, nofm }) => {
  const lanes = 53;
  const given = block(columns, lanes);
  const mask = randomMask(given);
  const whole = run(given, nofm ?? { mask });
  const reversed = Array.from({ length: lanes }, (_, i) => lanes - 1 - i);
  const lists = [
    reversed,
    [0],
    [52, 3],
    [16, 17, 1],
    reversed.slice(0, 16),
    reversed.slice(5, 22),
    reversed.slice(1),
  ];

  it.each(lists.map((picked) => ({ picked, count: picked.length })))(
    'has the same bits among $count lanes, wherever it is',
    ({ picked }) => {
      const part = { ...given, lanes: picked.length, weights: pick(given.weights, lanes, picked) };
      const result = run(part, nofm ?? { mask: pick(mask, lanes, picked) });
      expect(bitsOf(Float32Array.from(result.weights))).toEqual(
        bitsOf(Float32Array.from(pick(whole.weights, lanes, picked))),
      );
      expect(result.errors).toEqual(pick(whole.errors, lanes, picked));
      expect(result.mask).toEqual(pick(whole.mask, lanes, picked));
      expect([...result.losses]).toEqual(picked.map((lane) => whole.losses[lane]));
    },
  );

  it('adds ½·Σ err² to its loss', () => {
    for (let lane = 0; lane < lanes; lane++) {
      let sum = 0;
      for (let j = 0; j < columns; j++) sum += (whole.errors[j * lanes + lane] as number) ** 2;
      expect(((whole.losses[lane] as number) - 1) / (sum / 2)).toBeCloseTo(1, 12);
    }
  });
});
