import { describe, expect, it } from 'vitest';
import { fullStrip } from '../../src/solvers/full-hessian-task.js';
import { gramStrips } from '../../src/statistics/gram-layout.js';
import { allocateNative, float32View, freeNative } from '../../src/system/native-memory.js';
import { stripGram } from '../support/native.js';
import { normals } from '../support/random.js';

/** Of H from XᵀX over 7 tokens. */
const SCALE = 2 / 7;

describe('the full matrix', () => {
  it('is symmetric, with the diagonal that is given', () => {
    const n = 150;
    const values = normals(n * n, 1);
    const gram = stripGram(values, n, 7);
    const { address } = allocateNative(n * n * 4);
    for (const strip of gramStrips(n)) {
      const diagonal = Float64Array.from({ length: strip.width }, (_, j) => 1000 + strip.first + j);
      fullStrip({ gram, strip, address, diagonal });
    }
    const expected = Float32Array.from({ length: n * n }, (_, at) => {
      const [i, j] = [Math.floor(at / n), at % n];
      return i === j ? 1000 + i : (values[Math.max(i, j) * n + Math.min(i, j)] as number) * SCALE;
    });
    expect(float32View(address, n * n)).toEqual(expected);
  });

  it('may be larger than a view', () => {
    // 6 GiB, of which only the last rows are there: those of the last strip.
    const n = 40_000;
    const strip = gramStrips(n).at(-1);
    if (!strip) throw new Error('no strips');
    const { first, width, rows, offset } = strip;
    const start = BigInt(first * n * 4);
    const region = allocateNative(rows * n * 4);
    const source = normals(rows * width, 2);
    const panel = allocateNative(source.byteLength);
    float32View(panel.address, source.length).set(source);
    const gram = { address: panel.address - BigInt(offset * 4), size: n, tokens: 7 };
    fullStrip({ gram, strip, address: region.address - start, diagonal: new Float64Array(width).fill(5) });
    const written = float32View(region.address, rows * n);
    for (let i = 0; i < rows; i++) {
      const expected = Float32Array.from({ length: rows }, (_, j) =>
        i === j ? 5 : (source[Math.max(i, j) * width + Math.min(i, j)] as number) * SCALE,
      );
      expect(written.slice(i * n + first, (i + 1) * n)).toEqual(expected);
    }
    freeNative(region);
    freeNative(panel);
  });
});
