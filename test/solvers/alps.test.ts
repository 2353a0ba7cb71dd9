/** ALPS with first penalties that are too large, against plain loops in f64. */
import { afterAll, expect, it } from 'vitest';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { alps } from '../../src/solvers/alps.js';
import type { Pattern } from '../../src/sparsity/pattern.js';
import { float32View } from '../../src/system/native-memory.js';
import { nativeGram, nativeTensor } from '../support/native.js';
import { relativeError } from '../support/relative-error.js';
import { diagonalOf, meanRidge, type Problem, problem } from './conformance.js';
import { invert } from './plain-inverse.js';

const pool = new WorkerPool(2);
afterAll(() => pool.close());

const damping = 0.01;

/** (2/tokens)·XᵀX with a damped diagonal. */
function hessianOf(given: Problem): Float64Array {
  const { columns: n, tokens, x } = given;
  const ridge = meanRidge(diagonalOf(given), damping);
  return Float64Array.from({ length: n * n }, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    let sum = i === j ? (ridge[i] as number) : 0;
    for (let t = 0; t < tokens; t++)
      sum += (2 / tokens) * (x[t * n + i] as number) * (x[t * n + j] as number);
    return sum;
  });
}

/** 1 where a value stays: all but the smallest of the matrix, or of each group. */
function keptOf(values: Float64Array, pattern: Pattern): Uint8Array {
  const kept = new Uint8Array(values.length).fill(1);
  const [group, zeros] =
    pattern.kind === 'n:m'
      ? [pattern.of, pattern.of - pattern.keep]
      : [values.length, Math.floor(values.length * pattern.sparsity)];
  for (let start = 0; start < values.length; start += group) {
    const order = Array.from({ length: group }, (_, i) => start + i);
    order.sort((a, b) => Math.abs(values[a] as number) - Math.abs(values[b] as number) || a - b);
    for (const i of order.slice(0, zeros)) kept[i] = 0;
  }
  return kept;
}

/** a [rows, n] times b [n, n] */
function product(a: Float64Array, b: Float64Array, n: number): Float64Array {
  return Float64Array.from(a, (_, at) => {
    const [r, j] = [Math.floor(at / n), at % n];
    let sum = 0;
    for (let k = 0; k < n; k++) sum += (a[r * n + k] as number) * (b[k * n + j] as number);
    return sum;
  });
}

/**
 * Algorithm 1 of Meng et al. 2024 with the penalty's schedule of their experiments, in inputs scaled to H_jj = 1, up to the
 * conjugate gradients: the weights and which of them stay. Until half a per cent of the support has moved from one look to the
 * next, each divides the penalty by five, and all begins again if anything has moved.
 */
function reference(given: Problem, pattern: Pattern, first: number, iterations: number) {
  const { columns: n, w: dense } = given;
  const h = hessianOf(given);
  const scales = Float64Array.from({ length: n }, (_, j) => Math.sqrt(h[j * n + j] as number));
  const scaled = h.map(
    (value, at) => value / (scales[Math.floor(at / n)] as number) / (scales[at % n] as number),
  );
  const start = Float64Array.from(dense, (value, at) => value * (scales[at % n] as number));
  const target = product(start, scaled, n);
  const count = keptOf(start, pattern).reduce((sum, one) => sum + one, 0);
  let [rho, moved, restarts, divisions] = [first, false, 0, 0];
  let kept = keptOf(start, pattern);
  let looked = kept;
  let d = start.map((value, i) => value * (kept[i] as number));
  let multipliers: Float64Array = new Float64Array(start.length);
  let w: Float64Array = start;
  for (let step = 1; step <= iterations; step++) {
    const right = target.map((value, i) => value - (multipliers[i] as number) + rho * (d[i] as number));
    w = product(
      right,
      invert(
        scaled.map((value, at) => value + (at % (n + 1) === 0 ? rho : 0)),
        n,
      ),
      n,
    );
    const free = w.map((value, i) => value + (multipliers[i] as number) / rho);
    kept = keptOf(free, pattern);
    d = free.map((value, i) => value * (kept[i] as number));
    multipliers = multipliers.map((value, i) => value + rho * ((w[i] as number) - (d[i] as number)));
    if (step % 3 > 0 || step === iterations) continue;
    const changed = kept.reduce((sum, one, i) => sum + (one === looked[i] ? 0 : 1), 0);
    looked = kept;
    if (moved && (changed === 0 || (step > 30 && changed < 3e-4 * count))) break;
    if (moved || changed > 0.005 * count) {
      moved = true;
      rho *= changed > 0.1 * count ? 1.3 : changed > 0.005 * count ? 1.2 : 1.1;
      continue;
    }
    rho /= 5;
    divisions++;
    if (changed === 0) continue;
    restarts++;
    looked = kept = keptOf(start, pattern);
    d = start.map((value, i) => value * (kept[i] as number));
    multipliers.fill(0);
  }
  kept = keptOf(w, pattern);
  const pruned = w.map((value, i) => ((kept[i] as number) * value) / (scales[i % n] as number));
  return { kept, w: pruned, divisions, restarts };
}

it.each<[Pattern, rho: number, restarts: number]>([
  [{ kind: 'unstructured', sparsity: 0.6 }, 100, 2],
  [{ kind: 'unstructured', sparsity: 0.6 }, 1000, 0],
  [{ kind: 'n:m', keep: 2, of: 4 }, 40, 1],
])('%o: from a penalty of %d, beginning again %d times', async (pattern, rho, restarts) => {
  let again = 0;
  for (const seed of [1, 3]) {
    const given = problem(40, 40, seed);
    const { rows, columns, tokens, w, x } = given;
    const expected = reference(given, pattern, rho, 300);
    again += expected.restarts;
    expect(expected.divisions).toBeGreaterThan(0);
    const weights = nativeTensor(w, [rows, columns]);
    const options = { damping, rho, iterations: 300, refit_iterations: 0 };
    await alps(pool, nativeGram(x, tokens, columns), [{ name: 'w', weights, pattern }], options);
    const pruned = float32View(weights.address, w.length);
    expect(pruned.map((value) => (value === 0 ? 0 : 1))).toEqual(Float32Array.from(expected.kept));
    expect(relativeError(pruned, expected.w)).toBeLessThan(1e-5);
  }
  expect(again).toBe(restarts);
});
