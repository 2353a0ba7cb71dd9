import { describe, expect, it } from 'vitest';
import { normals } from '../support/random.js';
import { Workspace } from './workspace.js';

const workspace = new Workspace();
const { kernels } = workspace;
const sizes = [1, 2, 3, 4, 5, 7, 8, 9, 16, 31, 64, 128];

/** A·Aᵀ/n + I/2 as f32, row-major [n, n]. */
function positiveDefinite(n: number): Float32Array<ArrayBuffer> {
  const a = normals(n * n, n);
  const result = new Float32Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      let sum = i === j ? 0.5 : 0;
      for (let k = 0; k < n; k++) sum += ((a[i * n + k] as number) * (a[j * n + k] as number)) / n;
      result[i * n + j] = sum;
    }
  }
  return result;
}

/** Cholesky–Banachiewicz in f64; the first column whose pivot isn't positive, if there is one. */
function cholesky(matrix: Float32Array, n: number): { lower: Float64Array; failed: number } {
  const l = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * n + j] as number;
      for (let k = 0; k < j; k++) sum -= (l[i * n + k] as number) * (l[j * n + k] as number);
      if (i === j && !(sum > 0 && sum < Number.POSITIVE_INFINITY)) return { lower: l, failed: i };
      l[i * n + j] = i === j ? Math.sqrt(sum) : sum / (l[j * n + j] as number);
    }
  }
  return { lower: l, failed: -1 };
}

/** Factors with rows `stride` apart; what lies between the rows must stay. */
function choleskyBlock(matrix: Float32Array, n: number, stride: number) {
  const spread = new Float32Array(n * stride).fill(77);
  for (let i = 0; i < n; i++) spread.set(matrix.subarray(i * n, (i + 1) * n), i * stride);
  const place = workspace.put(spread);
  const failed = kernels.choleskyBlock(place, n, stride);
  const rows = kernels.f32(place, n * stride).slice();
  workspace.finish();
  const factor = new Float32Array(n * n);
  for (let i = 0; i < n; i++) {
    factor.set(rows.subarray(i * stride, i * stride + n), i * n);
    expect(rows.subarray(i * stride + n, (i + 1) * stride).every((value) => value === 77)).toBe(true);
  }
  return { failed, factor };
}

describe('choleskyBlock', () => {
  it.each(sizes)('agrees with plain f64, n = %i', (n) => {
    const matrix = positiveDefinite(n);
    const { lower } = cholesky(matrix, n);
    for (const stride of [n, n + 1, n + 12]) {
      const { failed, factor } = choleskyBlock(matrix, n, stride);
      expect(failed).toBe(-1);
      const wrong = [...factor.keys()].filter((i) => {
        const value = factor[i] as number;
        const above = i % n > Math.floor(i / n);
        return above ? !Object.is(value, 0) : !(Math.abs(value - (lower[i] as number)) <= 1e-6);
      });
      expect(wrong).toEqual([]);
    }
  });

  it('reads the lower triangle alone', () => {
    const n = 21;
    const matrix = positiveDefinite(n);
    const { factor } = choleskyBlock(matrix, n, n);
    for (let i = 0; i < n; i++) matrix.fill(Number.NaN, i * n + i + 1, (i + 1) * n);
    expect(choleskyBlock(matrix, n, n)).toEqual({ failed: -1, factor });
  });

  it('computes in f64: a pivot that f32 would cancel to nothing', () => {
    const matrix = Float32Array.of(1, 0, 1 - 2 ** -24, 1 - 2 ** -23 + 2 ** -24);
    const { failed, factor } = choleskyBlock(matrix, 2, 2);
    expect(failed).toBe(-1);
    // 1 − 2⁻²⁴ − (1 − 2⁻²⁴)² = 2⁻²⁴ − 2⁻⁴⁸
    expect((factor[3] as number) / Math.sqrt(2 ** -24 - 2 ** -48)).toBeCloseTo(1, 6);
  });

  it.each(sizes)('tells the first pivot that is not positive and leaves the matrix, n = %i', (n) => {
    for (const at of new Set([0, n >> 1, n - 1])) {
      const matrix = positiveDefinite(n);
      matrix[at * n + at] = 0.01 * (at % 2 ? 1 : -1);
      const { failed, factor } = choleskyBlock(matrix, n, n + 3);
      expect(failed).toBe(cholesky(matrix, n).failed);
      if (failed >= 0) expect(factor).toEqual(matrix);
      matrix[at * n + at] = -1;
      expect(choleskyBlock(matrix, n, n).failed).toBe(at);
    }
  });

  it('fails on zero and singular matrices', () => {
    expect(choleskyBlock(new Float32Array(9), 3, 3).failed).toBe(0);
    expect(choleskyBlock(new Float32Array(9).fill(1), 3, 3).failed).toBe(1);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    'never takes %d for a number',
    (special) => {
      const n = 13;
      for (const [row, column] of [
        [0, 0],
        [6, 6],
        [12, 12],
        [5, 2],
        [12, 11],
      ] as const) {
        const matrix = positiveDefinite(n);
        matrix[row * n + column] = special;
        const { failed, factor } = choleskyBlock(matrix, n, n);
        expect(failed).toBe(row);
        expect(factor).toEqual(matrix);
      }
    },
  );

  it('factors the extremes of f32', () => {
    expect(choleskyBlock(Float32Array.of(3.4028234663852886e38), 1, 1).failed).toBe(-1);
    expect(choleskyBlock(Float32Array.of(2 ** -149), 1, 1).failed).toBe(-1);
  });
});

function invertLower(lower: Float32Array<ArrayBuffer>, n: number) {
  const out = workspace.out(lower.byteLength);
  const failed = kernels.invertLower(workspace.put(lower), out, n);
  const inverse = kernels.f32(out, n * n).slice();
  workspace.finish();
  return { failed, inverse };
}

/** A lower factor with NaN above its diagonal, which nothing may read. */
function lowerFactor(n: number): Float32Array<ArrayBuffer> {
  const lower = Float32Array.from(cholesky(positiveDefinite(n), n).lower);
  for (let i = 0; i < n; i++) lower.fill(Number.NaN, i * n + i + 1, (i + 1) * n);
  return lower;
}

describe('invertLower', () => {
  it.each(sizes)('agrees with plain f64, n = %i', (n) => {
    const lower = lowerFactor(n);
    const { failed, inverse } = invertLower(lower, n);
    expect(failed).toBe(-1);
    const wrong: object[] = [];
    for (let column = 0; column < n; column++) {
      // Forward substitution of a unit vector.
      const x = new Float64Array(n);
      for (let i = column; i < n; i++) {
        let sum = i === column ? 1 : 0;
        for (let k = column; k < i; k++) sum -= (lower[i * n + k] as number) * (x[k] as number);
        x[i] = sum / (lower[i * n + i] as number);
      }
      for (let i = 0; i < n; i++) {
        const value = inverse[i * n + column] as number;
        const expected = x[i] as number;
        const close = Math.abs(value - expected) <= 1e-7 * Math.abs(expected) + 1e-12;
        if (i < column ? !Object.is(value, 0) : !close) wrong.push({ i, column, value, expected });
      }
    }
    expect(wrong).toEqual([]);
  });

  it.each([0, -0, -1, Number.NaN, Number.POSITIVE_INFINITY])('tells the first diagonal that is %d', (bad) => {
    for (const n of [1, 2, 9, 30]) {
      for (const at of new Set([0, n >> 1, n - 1])) {
        const lower = lowerFactor(n);
        lower[at * n + at] = bad;
        lower[n * n - 1] = bad;
        const { failed, inverse } = invertLower(lower, n);
        expect(failed).toBe(at);
        expect(new Uint8Array(inverse.buffer).every((byte) => byte === 0xcc)).toBe(true);
      }
    }
  });

  it('carries a NaN below the diagonal into the rows that depend on it', () => {
    const lower = lowerFactor(4);
    lower[2 * 4 + 1] = Number.NaN;
    const { inverse } = invertLower(lower, 4);
    expect([...inverse].map(Number.isNaN)).toEqual(
      [
        [0, 0, 0, 0],
        [0, 0, 0, 0],
        [1, 1, 0, 0],
        [1, 1, 0, 0],
      ]
        .flat()
        .map(Boolean),
    );
  });
});
