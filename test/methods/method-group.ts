/** Groups of linears for methods, with no more measured than they ask for. @module */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { Ablation, Method, MethodLinear, MethodOutcome } from '../../src/pipeline/methods/method.js';
import type { WorkerPool } from '../../src/runtime/worker-pool.js';
import { type Pattern, zeroCount } from '../../src/sparsity/pattern.js';
import type { FiledMatrix, GradientMoment } from '../../src/statistics/gradient-moments.js';
import type { GroupStatistics } from '../../src/statistics/group-statistics.js';
import { float32View } from '../../src/system/native-memory.js';
import { smallest } from '../kernels/selection-oracle.js';
import { nativeGram, nativeTensor } from '../support/native.js';
import { correlatedActivations, normals } from '../support/random.js';

/** Of every linear here. */
export const COLUMNS = 48;
export const TOKENS = 144;

/** Activations [TOKENS, COLUMNS] and their sums. */
export interface Inputs {
  readonly x: Float32Array;
  readonly gram: GroupStatistics['gram'];
  readonly sumOfSquares: Float64Array;
  readonly sum: Float64Array;
}

export function inputsOf(x: Float32Array): Inputs {
  const sumOfSquares = new Float64Array(COLUMNS);
  const sum = new Float64Array(COLUMNS);
  for (const [i, value] of x.entries()) {
    const j = i % COLUMNS;
    sumOfSquares[j] = (sumOfSquares[j] as number) + value ** 2;
    sum[j] = (sum[j] as number) + value;
  }
  return { x, gram: nativeGram(x, TOKENS, COLUMNS), sumOfSquares, sum };
}

/** Inputs with means, without which nothing is to be refined. */
export const correlated = inputsOf(correlatedActivations(TOKENS, COLUMNS, 5).map((value) => value + 0.5));

export interface GivenLinear {
  readonly name: string;
  readonly pattern: Pattern;
  /** [rows, COLUMNS], as in the source. */
  readonly dense: Float32Array<ArrayBuffer>;
  /** What a method has left of them, for what follows it. */
  readonly left?: Float32Array;
  readonly gradients: Readonly<Record<GradientMoment, Float32Array<ArrayBuffer>>>;
}

export function linear(name: string, rows: number, pattern: Pattern): GivenLinear {
  const [dense, mean, spread] = [0, 1, 2].map((add) =>
    Float32Array.from(normals(rows * COLUMNS, name.length * 10 + add)),
  ) as [Float32Array<ArrayBuffer>, Float32Array<ArrayBuffer>, Float32Array<ArrayBuffer>];
  const rms = mean.map((value, i) => Math.hypot(value, spread[i] as number));
  return { name, pattern, dense, gradients: { mean, 'root mean square': rms } };
}

/** The linear as a method would leave it that moves what stays: of every group the smallest weights are gone. */
export function halfDone(given: GivenLinear): GivenLinear {
  const { dense, pattern } = given;
  const size = pattern.kind === 'n:m' ? pattern.of : COLUMNS;
  const zeros = pattern.kind === 'n:m' ? pattern.of - pattern.keep : zeroCount(size, pattern.sparsity);
  const left = dense.map((value) => value * 1.25);
  for (let start = 0; start < dense.length; start += size) {
    const scores = dense.subarray(start, start + size).map(Math.abs);
    for (const [i, goes] of smallest(scores, zeros).entries()) if (goes) left[start + i] = 0;
  }
  return { ...given, left };
}

/** Tokens of the windows, some of which go to other experts, and of each window that is differentiated. */
export const WINDOW_TOKENS = 2 * TOKENS;
export const GRADIENT_TOKENS = 36;

const folder = mkdtempSync(join(tmpdir(), 'secateur-methods-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;

export interface Asked {
  readonly method: Method;
  /** As the schema puts them out. */
  readonly options: unknown;
}

/** The weights of each linear afterwards, by name, and what the method says of it. */
export async function prunedTogether(
  asked: Asked,
  linears: readonly GivenLinear[],
  inputs: Inputs,
  pool: WorkerPool,
  oneLinear = false,
): Promise<{ weights: Map<string, Float32Array>; outcomes: Map<string, MethodOutcome> }> {
  const { method, options } = asked;
  const given = linears.map((each) => methodLinear(asked, each));
  const lossChanges = method.loss && (async (ablations: readonly Ablation[]) => ablations.map(lossOf));
  const group = {
    name: 'x',
    linears: given,
    statistics: statisticsFor(method, inputs),
    windowTokens: WINDOW_TOKENS,
    lossChanges,
  };
  const outcomes = await method.prune(pool, group, options, oneLinear);
  const weights = new Map(
    given.map(({ name, weights: { address, shape } }) => [
      name,
      float32View(address, (shape[0] ?? 0) * COLUMNS).slice(),
    ]),
  );
  return { weights, outcomes };
}

function methodLinear(asked: Asked, given: GivenLinear): MethodLinear {
  const { name, pattern, dense, left = dense } = given;
  const gradients = filedMoments(asked, given);
  return {
    name,
    pattern,
    weights: nativeTensor(left, [dense.length / COLUMNS, COLUMNS]),
    loadDense: async (address) => float32View(address, dense.length).set(dense),
    ...(gradients && { gradients, gradientTokens: GRADIENT_TOKENS }),
  };
}

/** The moments that the method asks for, if any. */
export function filedMoments(
  { method, options }: Asked,
  { gradients }: GivenLinear,
): FiledMatrix[] | undefined {
  return method.gradients?.(options)?.moments.map((moment) => {
    const path = join(folder, `${files++}`);
    writeFileSync(path, gradients[moment]);
    return { path, offset: 0 };
  });
}

function statisticsFor({ statistics, moments = false }: Method, inputs: Inputs): GroupStatistics {
  const { gram, sum, sumOfSquares } = inputs;
  return {
    group: 'x',
    size: COLUMNS,
    tokens: TOKENS,
    sumOfSquares: statistics === 'none' ? sumOfSquares.map(() => Number.NaN) : sumOfSquares,
    sum: moments ? sum : undefined,
    gram: statistics === 'gram' ? gram : undefined,
  };
}

/** Some loss of what goes, whatever goes elsewhere. */
function lossOf({ linear: { name, weights }, indices }: { linear: MethodLinear; indices(): Uint32Array }) {
  const values = float32View(weights.address, (weights.shape[0] ?? 0) * COLUMNS);
  const share = (i: number) => (values[i] as number) ** 2 * (1 + ((i * 7919 + name.length) % 11));
  return { mean: indices().reduce((sum, i) => sum + share(i), 0), standardError: 0 };
}
