/** Matrices whose spectra PyTorch computed: `scripts/golden/make-spectrum-golden.py`. @module */
import { readFileSync } from 'node:fs';
import type { TailStart } from '../../src/statistics/power-law-exponent.js';

type Exponents = Record<TailStart, number>;

interface Spectra {
  readonly made: readonly {
    readonly shape: [number, number];
    readonly eigenvalues: number[];
    readonly exponents: Exponents;
  }[];
  readonly layer: {
    readonly largest: number[];
    readonly median: number;
    readonly exponents: Exponents;
  };
}

export const spectra: Spectra = JSON.parse(
  readFileSync(new URL('../golden/spectra.json', import.meta.url), 'utf8'),
);

/** The matrix of a shape. */
export function made([rows, columns]: readonly [number, number]): Float32Array {
  return Float32Array.from({ length: rows * columns }, (_, index) => {
    const [i, j] = [Math.floor(index / columns), index % columns];
    return (((i * 7919 + j * 104729 + (i + 3) * (j + 5) * (i + 2 * j) * 31) % 2039) - 1019) / 1024;
  });
}
