/** Against PyTorch: `scripts/golden/make-spectrum-golden.py`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { transposedRowsOf } from '../../src/model/parts/placement.js';
import type { TailStart } from '../../src/statistics/power-law-exponent.js';
import { tailExponent } from '../../src/statistics/tail-exponent-task.js';
import { tridiagonalEigenvalues } from '../../src/statistics/tridiagonal-eigenvalues.js';
import { tridiagonalInStages } from '../../src/statistics/tridiagonal-in-stages.js';
import { weightSpectrum } from '../../src/statistics/weight-spectrum.js';
import { made, spectra } from '../support/golden-spectra.js';
import { normals } from '../support/random.js';
import { readGolden } from '../support/safetensors.js';
import { storedMatrix } from '../support/stored.js';

const golden = fileURLToPath(new URL('../golden', import.meta.url));

const starts = ['peak', 'middle'] as const;
const folder = mkdtempSync(join(tmpdir(), 'secateur-spectrum-'));
afterAll(() => rmSync(folder, { recursive: true }));

function transposed(data: Float32Array, rows: number, columns: number): Float32Array {
  return data.map((_, index) => data[(index % rows) * columns + Math.floor(index / rows)] as number);
}

/** The greatest difference beside the largest. */
function distance(values: ArrayLike<number>, expected: readonly number[]): number {
  expect(values.length).toBe(expected.length);
  const differences = expected.map((value, index) => Math.abs(value - (values[index] as number)));
  return Math.max(...differences) / Math.max(...expected);
}

describe('the spectrum of weights', () => {
  it.each(spectra.made)(
    'has the eigenvalues that PyTorch finds, of $shape and transposed',
    ({ shape: [rows, columns], eigenvalues, exponents }) => {
      const w = made([rows, columns]);
      const wide = storedMatrix(folder, `made-${rows}`, w, [rows, columns]);
      const tall = storedMatrix(folder, `made-${rows}-tall`, transposed(w, rows, columns), [columns, rows]);
      // The wide one as the transpose of what is stored.
      const strides = transposedRowsOf('', [columns, rows], { first: 0, count: rows });
      const view = {
        whole: String(tall.file),
        start: tall.offset,
        elementBytes: 4 as const,
        columns,
        strides,
      };
      const turned = { ...tall, file: view, offset: 0, shape: [rows, columns] };
      for (const stored of [wide, tall, turned]) {
        expect(distance(weightSpectrum(stored), eigenvalues)).toBeLessThan(1e-6);
        for (const start of starts)
          expect(tailExponent({ tensor: stored, start }) / exponents[start]).toBeCloseTo(1, 5);
      }
    },
  );

  it.each([5, 33, 34, 64, 65, 130, 200])('of order %i is the same in two stages', (n) => {
    const w = normals(n * 2 * n, n);
    const stored = storedMatrix(folder, `stages-${n}`, w, [n, 2 * n]);
    const products = new Float32Array(n * n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let k = 0; k < 2 * n; k++) sum += (w[i * 2 * n + k] as number) * (w[j * 2 * n + k] as number);
        products[i * n + j] = sum;
      }
    }
    const { diagonal, offDiagonal } = tridiagonalInStages(products, n);
    tridiagonalEigenvalues(diagonal, offDiagonal);
    expect(distance(diagonal.sort(), [...weightSpectrum(stored)])).toBeLessThan(1e-6);
  });

  it('has the tail that PyTorch finds in a layer of SmolLM2', () => {
    const { shape, data } = readGolden(join(golden, 'smollm2-layer.safetensors')).get('weight') ?? {};
    const stored = storedMatrix(folder, 'layer', data as Float32Array, shape as [number, number]);
    const eigenvalues = weightSpectrum(stored);
    expect(distance(eigenvalues.slice(-3), spectra.layer.largest)).toBeLessThan(1e-6);
    const median = eigenvalues[Math.floor(eigenvalues.length / 2)] as number;
    expect(median / spectra.layer.median).toBeCloseTo(1, 5);
    for (const start of starts)
      expect(tailExponent({ tensor: stored, start }) / spectra.layer.exponents[start]).toBeCloseTo(1, 5);
  });

  it('adds up slabs of rows and of columns', () => {
    const [rows, columns] = [1100, 7];
    const w = normals(rows * columns, 3);
    const tall = weightSpectrum(storedMatrix(folder, 'tall', w, [rows, columns]));
    const wide = weightSpectrum(storedMatrix(folder, 'wide', transposed(w, rows, columns), [columns, rows]));
    const squares = w.reduce((sum, value) => sum + value ** 2, 0);
    for (const spectrum of [tall, wide])
      expect(spectrum.reduce((sum, value) => sum + value, 0) / squares).toBeCloseTo(1, 6);
    expect(distance(tall, [...wide])).toBeLessThan(1e-6);
  });

  it('of zeros, of one row and of less than half of full rank has an exponent', () => {
    const exponent = (data: number[], shape: [number, number], start: TailStart) =>
      tailExponent({
        tensor: storedMatrix(folder, `odd-${data.length}-${start}`, Float32Array.from(data), shape),
        start,
      });
    for (const start of starts) {
      expect(exponent([0, 0, 0, 0, 0, 0], [2, 3], start)).toBe(1e6);
      expect(exponent([1, 2, 3], [1, 3], start)).toBe(1e6);
    }
    const rankOne = Array.from({ length: 36 }, (_, i) => ((i % 6) + 1) * (Math.floor(i / 6) + 1));
    expect(exponent(rankOne, [6, 6], 'middle')).toBeGreaterThan(1);
    expect(exponent(rankOne, [6, 6], 'middle')).toBeLessThan(2);
    // One eigenvalue beside zeros is no tail.
    expect(exponent(rankOne, [6, 6], 'peak')).toBe(1e6);
  });

  it('that goes beyond f32 is refused by name', () => {
    const large = storedMatrix(folder, 'large', Float32Array.of(1, 2, 3, 1e30, 1, 1e30), [2, 3]);
    expect(() => weightSpectrum(large)).toThrow("large: the product of rows 1 and 1 isn't finite");
  });
});

it('finds the eigenvalues of a second difference, 2 − 2 cos(πk/(n+1)), and keeps a diagonal', () => {
  for (const n of [1, 2, 3, 50, 301]) {
    const d = new Float64Array(n).fill(2);
    tridiagonalEigenvalues(d, new Float64Array(n).fill(-1));
    const expected = Array.from({ length: n }, (_, k) => 2 - 2 * Math.cos((Math.PI * (k + 1)) / (n + 1)));
    expect(distance(d.sort(), expected)).toBeLessThan(1e-13);
  }
  const diagonal = Float64Array.of(3, -1, 0, 1e-300);
  tridiagonalEigenvalues(diagonal, new Float64Array(4));
  expect([...diagonal]).toEqual([3, -1, 0, 1e-300]);
});
