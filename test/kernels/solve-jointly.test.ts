import { describe, expect, it } from 'vitest';
import { normals, uniform } from '../support/random.js';
import { Workspace } from './workspace.js';

const workspace = new Workspace();
const { kernels } = workspace;

/** Upper triangular, NaN below, which nothing may read. */
function upper(n: number): Float32Array<ArrayBuffer> {
  const u = normals(n * n, n) as Float32Array<ArrayBuffer>;
  const next = uniform(n);
  for (let i = 0; i < n; i++) {
    u.fill(Number.NaN, i * n, i * n + i);
    for (let j = i + 1; j < n; j++) u[i * n + j] = ((u[i * n + j] as number) * 0.5) / Math.sqrt(n);
    u[i * n + i] = 0.6 + next();
  }
  return u;
}

/** UᵀU, in f64. */
function gramOf(u: Float32Array, n: number): Float64Array<ArrayBuffer> {
  const gram = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let k = 0; k <= Math.min(i, j); k++) sum += (u[k * n + i] as number) * (u[k * n + j] as number);
      gram[i * n + j] = sum;
    }
  }
  return gram;
}

describe.each([1, 2, 3, 7, 16, 33, 128])('%i columns', (n) => {
  const u = upper(n);
  const expected = gramOf(u, n);

  it('upperGram is UᵀU', () => {
    const gram = workspace.out(n * n * 8);
    kernels.upperGram(workspace.put(u), gram, n);
    for (const [i, value] of kernels.f64(gram, n * n).entries()) {
      expect(Math.abs(value - (expected[i] as number))).toBeLessThan(1e-12 * n);
    }
    workspace.finish();
  });

  it('solveJointly solves the equations of every row, and adds its loss', () => {
    const rows = 40;
    const weights = normals(rows * n, 5) as Float32Array<ArrayBuffer>;
    const next = uniform(6);
    // From rows that lose nothing to rows that lose everything.
    const mask = Uint8Array.from({ length: rows * n }, (_, i) =>
      next() < Math.floor(i / n) / (rows - 1) ? 1 : 0,
    );
    const multipliers = workspace.out(rows * n * 4);
    const losses = workspace.put(new Float64Array(rows).fill(1));
    const failed = kernels.solveJointly(
      workspace.put(weights),
      workspace.put(mask),
      workspace.put(expected),
      multipliers,
      losses,
      rows,
      n,
    );
    expect(failed).toBe(-1);
    const found = kernels.f32(multipliers, rows * n);
    for (let row = 0; row < rows; row++) {
      let loss = 0;
      for (let j = 0; j < n; j++) {
        const at = row * n + j;
        if (mask[at] === 0) {
          expect(found[at]).toBe(0);
          continue;
        }
        let sum = 0;
        for (let k = 0; k < n; k++) sum += (expected[j * n + k] as number) * (found[row * n + k] as number);
        expect(Math.abs(sum - (weights[at] as number))).toBeLessThan(1e-5);
        loss += ((found[at] as number) * (weights[at] as number)) / 2;
      }
      expect(Math.abs((kernels.f64(losses, rows)[row] as number) - 1 - loss)).toBeLessThan(
        1e-5 * Math.max(1, loss),
      );
    }
    workspace.finish();
  });
});

it('solveJointly tells the first row whose equations have no unique solution', () => {
  const gram = Float64Array.from([1, 1, 0, 1, 1, 0, 0, 0, 1]);
  const mask = Uint8Array.from([1, 0, 1, 1, 1, 0]);
  const places = [
    workspace.put(new Float32Array(6).fill(1)),
    workspace.put(mask),
    workspace.put(gram),
  ] as const;
  const losses = workspace.put(new Float64Array(2));
  expect(kernels.solveJointly(...places, workspace.out(24), losses, 2, 3)).toBe(1);
  workspace.finish();
});
